// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, VendorSet},
    state::{Place, Pool, Vendor},
    Error,
};
use kit::{
    account::{check_system_program, Payer},
    check,
};
use pinocchio::{AccountView, Address, ProgramResult};

kit::accounts! {
    /// [signer] The operator.
    operator,
    /// [signer, writable] Pays the rent of a vendor's account.
    payer,
    /// [writable] The pool.
    pool,
    /// [writable] PDA `["vendor", pool, vendor]`.
    vendor_account,
    /// [] System program.
    system_program,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    vendor: Address,
    allowed: bool,
}

/// Lets a vendor be paid by vouchers, or not any more (P-13).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.operator.is_signer(), kit::Error::NotSigner);
    check!(a.payer.is_signer(), kit::Error::NotSigner);
    check_system_program(a.system_program)?;
    check_events(a.event_authority, a.program)?;
    let pool = Pool::load(a.pool)?;

    check!(a.operator.address() == &pool.operator, Error::NotOperator);

    let payer = Payer::new(a.payer);
    let place = Place { payer: &payer, account: a.vendor_account, pool: a.pool };
    Vendor::load_or_create(&place, pool, args.vendor)?.allowed.set(args.allowed);
    let seq = pool.next_seq()?;

    VendorSet {
        pool: a.pool.address(),
        seq,
        actor: a.operator.address(),
        vendor: args.vendor,
        allowed: args.allowed,
    }
    .emit(a.event_authority);
    Ok(())
}
