// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, VoucherAllocated},
    leaf::Leaf,
    state::{Place, Pool, Voucher},
};
use kit::{
    account::{check_system_program, Payer},
    check,
    merkle::Proof,
};
use pinocchio::{AccountView, Address, ProgramResult};

kit::accounts! {
    /// [signer] Anyone.
    actor,
    /// [signer, writable] Pays the rent of a new page and a new voucher.
    payer,
    /// [writable] The pool.
    pool,
    /// [writable] PDA `["page", pool, index / 8192]`.
    page,
    /// [writable] PDA `["voucher", pool, account]`.
    voucher,
    /// [] System program.
    system_program,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    index: u64,
    account: Address,
    amount: u64,
    proof: Proof,
}

/// Turns what the published tree says into the account's voucher (P-12).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.actor.is_signer(), kit::Error::NotSigner);
    check!(a.payer.is_signer(), kit::Error::NotSigner);
    check_system_program(a.system_program)?;
    check_events(a.event_authority, a.program)?;
    let pool = Pool::load(a.pool)?;

    let Args { index, account, amount, proof, .. } = args;
    let payer = Payer::new(a.payer);
    let place = Place { payer: &payer, account: a.page, pool: a.pool };
    let unclaimed_after = Leaf { index, account, amount, proof }.take(pool, &place)?;
    let place = Place { payer: &payer, account: a.voucher, pool: a.pool };
    let voucher_after = Voucher::load_or_create(&place, pool, account)?.amount.add(amount)?;
    pool.vouchers.add(amount)?;
    let seq = pool.next_seq()?;

    VoucherAllocated {
        pool: a.pool.address(),
        seq,
        actor: a.actor.address(),
        account,
        index,
        amount,
        voucher_after,
        unclaimed_after,
    }
    .emit(a.event_authority);
    Ok(())
}
