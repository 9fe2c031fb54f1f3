// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, FunderRefunded},
    state::{Pool, Receipt},
    Error, ID,
};
use kit::{
    account, check,
    int::{mul_div, sub},
    sysvar,
    token::{self, check_token_owner, check_token_program},
};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] Anyone.
    actor,
    /// [writable] The pool.
    pool,
    /// [writable] PDA `["receipt", pool, funder]`; it is closed.
    receipt,
    /// [writable] PDA `["vault", pool]`.
    vault,
    /// [writable] A token account that the funder owns; not looked at when nothing is left.
    destination,
    /// [writable] Who paid the receipt's rent.
    rent_payer,
    /// [] Classic SPL Token.
    token_program,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

/// Gives a funder their part of what is left (P-15).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    check!(data.is_empty(), kit::Error::InvalidInstruction);
    check!(a.actor.is_signer(), kit::Error::NotSigner);
    check_token_program(a.token_program)?;
    check_events(a.event_authority, a.program)?;
    let pool = Pool::load(a.pool)?;
    check!(a.vault.address() == &pool.vault, kit::Error::WrongVault);

    check!(pool.has_ended(sysvar::now()?), Error::TooEarly);
    check!(a.receipt.owned_by(&ID), Error::NothingToRefund);
    let receipt = Receipt::load(a.receipt, a.pool.address())?;
    check!(a.rent_payer.address() == &receipt.rent_payer, kit::Error::WrongRentPayer);

    pool.expire()?;
    let (paid_in, receipts) = (receipt.amount.get(), pool.receipts.get());
    let amount = if paid_in < receipts {
        mul_div(pool.left.get(), paid_in, pool.funded.get())?
    } else {
        sub(pool.left.get(), pool.refunded.get())?
    };
    pool.receipts.sub(paid_in)?;
    pool.refunded.add(amount)?;
    pool.parts.sub(1)?;
    let seq = pool.next_seq()?;

    if amount > 0 {
        check_token_owner(a.destination, &receipt.funder)?;
        token::pay(a.vault, a.destination, a.pool, amount, &pool.seeds(&[pool.bump]))?;
    }

    FunderRefunded {
        pool: a.pool.address(),
        seq,
        actor: a.actor.address(),
        funder: &receipt.funder,
        amount,
        status_after: pool.status,
    }
    .emit(a.event_authority);
    account::close(a.receipt, a.rent_payer)
}
