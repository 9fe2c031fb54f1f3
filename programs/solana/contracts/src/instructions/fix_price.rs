// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, PriceFixed},
    state::{Agreement, Status},
    Error,
};
use feed::Feed;
use kit::{check, sysvar};
use pinocchio::{error::ProgramError, AccountView, ProgramResult};

kit::accounts! {
    /// [signer] Anyone.
    actor,
    /// [writable] The agreement.
    agreement,
    /// [] The agreement's feed.
    feed,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    round: u64,
}

/// Fixes the price by the first observation after delivery was due.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.actor.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let agreement = Agreement::load(a.agreement)?;
    check!(a.feed.address() == &agreement.feed, Error::WrongFeed);

    check!(agreement.has_feed(), Error::NoFeed);
    let running = agreement.is(Status::Active) || agreement.is(Status::Disputed);
    check!(running, Error::WrongStatus);
    check!(!agreement.price_fixed.get(), Error::PriceAlreadyFixed);
    let price = if args.round == 0 {
        check!(sysvar::now()? > agreement.rule_by.get(), Error::TooEarly);
        agreement.price_total.get()
    } else {
        let feed = Feed::load(a.feed, Error::WrongFeed)?;
        observed(agreement, feed, args.round)?
    };

    agreement.price_fixed.set(true);
    agreement.price.set(price);
    let seq = agreement.step()?;

    PriceFixed {
        agreement: a.agreement.address(),
        seq,
        actor: a.actor.address(),
        round: args.round,
        price,
    }
    .emit(a.event_authority);
    Ok(())
}

/// The price by the observation `round`, proven by the ring to be the first at or after
/// `deliver_by`.
#[inline(always)]
fn observed(agreement: &Agreement, feed: &Feed, round: u64) -> Result<u64, ProgramError> {
    let due = agreement.deliver_by.get();
    let observation = feed.observation(round).ok_or(Error::NotFirstObservation)?;
    let observed_at = observation.observed_at.get();
    check!(observed_at >= due, Error::NotFirstObservation);
    let before = feed.observation(round - 1).is_some_and(|o| o.observed_at.get() < due);
    check!(round == 1 || before, Error::NotFirstObservation);
    if observed_at > due.saturating_add(feed.heartbeat.get() as i64) {
        return Ok(agreement.price_total.get());
    }
    Ok(agreement.price_of(observation.value.get()))
}
