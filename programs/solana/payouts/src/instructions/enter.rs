// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, RoundEntered},
    state::{Entry, Place, Pool, Receipt, Status, ROUND},
    Error, ID,
};
use kit::{
    account::{check_system_program, Payer},
    check, sysvar,
    token::{self, check_token_program},
};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] Who enters; signs for `source` as its owner or delegate.
    entrant,
    /// [signer, writable] Pays the rent of the entry, and of a new receipt.
    payer,
    /// [writable] The round.
    pool,
    /// [writable] PDA `["entry", pool, entrant, record]`.
    entry,
    /// [writable] PDA `["receipt", pool, entrant]`; not looked at when entering is free.
    receipt,
    /// [writable] The token account that the fee comes from; not looked at when entering is free.
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
    record: [u8; 32],
}

/// Enters a record in a round (P-6).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.entrant.is_signer(), kit::Error::NotSigner);
    check!(a.payer.is_signer(), kit::Error::NotSigner);
    check_token_program(a.token_program)?;
    check_system_program(a.system_program)?;
    check_events(a.event_authority, a.program)?;
    let pool = Pool::load(a.pool)?;
    check!(a.vault.address() == &pool.vault, kit::Error::WrongVault);

    let now = sysvar::now()?;
    let present = pool.present(now)?;
    check!(pool.kind == ROUND, Error::NotARound);
    check!(pool.is(Status::Funding), Error::WrongStatus);
    check!(present >= pool.opens_at.get(), Error::TooEarly);
    check!(present < pool.closes_at.get(), Error::TooLate);
    check!(now <= pool.publish_by.get(), Error::TooLate);
    check!(!a.entry.owned_by(&ID), Error::AlreadyEntered);

    let entrant = a.entrant.address();
    let payer = Payer::new(a.payer);
    let place = Place { payer: &payer, account: a.entry, pool: a.pool };
    Entry::create(&place, pool, entrant, args.record)?;
    let fee = pool.entry_fee.get();
    let mut funded_after = pool.funded.get();
    if fee > 0 {
        let place = Place { payer: &payer, account: a.receipt, pool: a.pool };
        (_, funded_after) = Receipt::credit(&place, pool, entrant, fee)?;
    }
    let seq = pool.next_seq()?;

    if fee > 0 {
        token::transfer(a.source, a.vault, a.entrant, fee)?;
    }

    RoundEntered {
        pool: a.pool.address(),
        seq,
        actor: entrant,
        entrant,
        record: args.record,
        fee,
        funded_after,
    }
    .emit(a.event_authority);
    Ok(())
}
