// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, MarketVoided},
    state::{Market, Status},
    Error,
};
use kit::{check, sysvar};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] The resolver, or anyone after `resolve_by`.
    actor,
    /// [writable] The market.
    market,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

/// Gives every stake back (B-12).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    check!(data.is_empty(), kit::Error::InvalidInstruction);
    check!(a.actor.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let market = Market::load(a.market)?;

    let now = sysvar::now()?;
    check!(market.is(Status::Open), Error::MarketNotOpen);
    check!(market.close_at.get() <= now, Error::TooEarly);
    let overdue = now > market.resolve_by.get();
    check!(overdue || a.actor.address() == &market.resolver, Error::NotResolver);

    market.void();
    let seq = market.next_seq()?;

    MarketVoided {
        market: a.market.address(),
        seq,
        actor: a.actor.address(),
        status_after: market.status,
    }
    .emit(a.event_authority);
    Ok(())
}
