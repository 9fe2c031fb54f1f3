// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, PayoutClaimed},
    leaf::Leaf,
    state::{Place, Pool},
};
use kit::{
    account::{check_system_program, Payer},
    check,
    merkle::Proof,
    token::{self, check_token_owner, check_token_program},
};
use pinocchio::{AccountView, Address, ProgramResult};

kit::accounts! {
    /// [signer] Anyone.
    actor,
    /// [signer, writable] Pays the rent of a new page.
    payer,
    /// [writable] The pool.
    pool,
    /// [writable] PDA `["page", pool, index / 8192]`.
    page,
    /// [writable] PDA `["vault", pool]`.
    vault,
    /// [writable] A token account that `account` owns.
    destination,
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
    index: u64,
    account: Address,
    amount: u64,
    proof: Proof,
}

/// Pays an account what the published tree says (P-10).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.actor.is_signer(), kit::Error::NotSigner);
    check!(a.payer.is_signer(), kit::Error::NotSigner);
    check_token_program(a.token_program)?;
    check_system_program(a.system_program)?;
    check_events(a.event_authority, a.program)?;
    let pool = Pool::load(a.pool)?;
    check!(a.vault.address() == &pool.vault, kit::Error::WrongVault);
    check_token_owner(a.destination, args.account)?;

    let Args { index, account, amount, proof, .. } = args;
    let payer = Payer::new(a.payer);
    let place = Place { payer: &payer, account: a.page, pool: a.pool };
    let unclaimed_after = Leaf { index, account, amount, proof }.take(pool, &place)?;
    let seq = pool.next_seq()?;

    token::pay(a.vault, a.destination, a.pool, amount, &pool.seeds(&[pool.bump]))?;

    PayoutClaimed {
        pool: a.pool.address(),
        seq,
        actor: a.actor.address(),
        account,
        index,
        amount,
        unclaimed_after,
    }
    .emit(a.event_authority);
    Ok(())
}
