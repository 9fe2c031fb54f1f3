// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, PositionClosed},
    state::{Market, Position, Status},
    Error,
};
use kit::{account, check};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] Anyone.
    actor,
    /// [writable] The market.
    market,
    /// [writable] A position that lost or has been paid.
    position,
    /// [writable] Who paid the position's rent.
    rent_payer,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

/// Closes a position that nothing is owed to any more (B-16).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    check!(data.is_empty(), kit::Error::InvalidInstruction);
    check!(a.actor.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let market = Market::load(a.market)?;
    let position = Position::load(a.position, a.market.address())?;
    check!(a.rent_payer.address() == &position.rent_payer, kit::Error::WrongRentPayer);

    check!(!market.is(Status::Open), Error::MarketNotSettled);
    let owed = market.pays(position.outcome) && !position.claimed.get();
    check!(!owed, Error::PositionNotClaimed);

    market.positions.sub(1)?;
    let seq = market.next_seq()?;

    PositionClosed {
        market: a.market.address(),
        seq,
        actor: a.actor.address(),
        bettor: &position.bettor,
        outcome: position.outcome,
        rent_payer: a.rent_payer.address(),
    }
    .emit(a.event_authority);
    account::close(a.position, a.rent_payer)
}
