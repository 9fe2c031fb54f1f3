// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, BetClaimed},
    state::{Market, Position, Status},
    Error,
};
use kit::{
    check,
    int::mul_div,
    token::{self, check_token_owner, check_token_program},
};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] Anyone.
    actor,
    /// [writable] The market.
    market,
    /// [writable] The position that is paid.
    position,
    /// [writable] PDA `["vault", market]`.
    vault,
    /// [writable] A token account that the bettor owns.
    destination,
    /// [] Classic SPL Token.
    token_program,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

/// Pays a position to its bettor (B-13, B-14).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    check!(data.is_empty(), kit::Error::InvalidInstruction);
    check!(a.actor.is_signer(), kit::Error::NotSigner);
    check_token_program(a.token_program)?;
    check_events(a.event_authority, a.program)?;
    let market = Market::load(a.market)?;
    check!(a.vault.address() == &market.vault, kit::Error::WrongVault);
    let position = Position::load(a.position, a.market.address())?;
    check_token_owner(a.destination, &position.bettor)?;

    check!(!market.is(Status::Open), Error::MarketNotSettled);
    check!(market.pays(position.outcome), Error::NothingToClaim);
    check!(!position.claimed.get(), Error::AlreadyClaimed);

    let stake = position.stake.get();
    let payout = if market.is(Status::Voided) {
        stake
    } else {
        mul_div(stake, market.net.get(), market.winning_pool.get())?
    };
    position.claimed.set(true);
    let paid_after = market.paid.add(payout)?;
    let seq = market.next_seq()?;

    token::pay(a.vault, a.destination, a.market, payout, &market.seeds(&[market.bump]))?;

    BetClaimed {
        market: a.market.address(),
        seq,
        actor: a.actor.address(),
        bettor: &position.bettor,
        outcome: position.outcome,
        stake,
        payout,
        paid_after,
    }
    .emit(a.event_authority);
    Ok(())
}
