// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, PoolFunded},
    state::{Place, Pool, Receipt},
    Error,
};
use kit::{
    account::{check_system_program, Payer},
    check, sysvar,
    token::{self, check_token_program},
};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] Who funds; signs for `source` as its owner or delegate.
    funder,
    /// [signer, writable] Pays the rent of a new receipt.
    payer,
    /// [writable] The pool.
    pool,
    /// [writable] PDA `["receipt", pool, funder]`.
    receipt,
    /// [writable] The token account that the amount comes from.
    source,
    /// [writable] PDA `["vault", pool]`.
    vault,
    /// [] Classic SPL Token.
    token_program,
    /// [] System program.
    system_program,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    amount: u64,
}

/// Adds to a pool (P-5).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.funder.is_signer(), kit::Error::NotSigner);
    check!(a.payer.is_signer(), kit::Error::NotSigner);
    check_token_program(a.token_program)?;
    check_system_program(a.system_program)?;
    check_events(a.event_authority, a.program)?;
    let pool = Pool::load(a.pool)?;
    check!(a.vault.address() == &pool.vault, kit::Error::WrongVault);

    check!(pool.is_unpublished(), Error::WrongStatus);
    check!(sysvar::now()? <= pool.publish_by.get(), Error::TooLate);
    check!(args.amount > 0, kit::Error::ZeroAmount);

    let funder = a.funder.address();
    let payer = Payer::new(a.payer);
    let place = Place { payer: &payer, account: a.receipt, pool: a.pool };
    let (receipt_after, funded_after) = Receipt::credit(&place, pool, funder, args.amount)?;
    let seq = pool.next_seq()?;

    token::transfer(a.source, a.vault, a.funder, args.amount)?;

    PoolFunded {
        pool: a.pool.address(),
        seq,
        actor: funder,
        funder,
        amount: args.amount,
        receipt_after,
        funded_after,
    }
    .emit(a.event_authority);
    Ok(())
}
