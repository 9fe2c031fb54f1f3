// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, TriggerFired},
    state::{Pool, NONE},
    Error,
};
use feed::Feed;
use kit::{check, sysvar};
use pinocchio::{AccountView, ProgramResult};

/// The comparator that wants a value of at least the threshold; the other wants at most it.
const AT_LEAST: u8 = 1;

kit::accounts! {
    /// [signer] Anyone.
    actor,
    /// [writable] The pool.
    pool,
    /// [] The pool's feed.
    feed,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    round: u64,
}

/// Latches an observation that fulfils the trigger (P-9).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.actor.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let pool = Pool::load(a.pool)?;
    check!(a.feed.address() == &pool.feed, Error::WrongFeed);

    let now = sysvar::now()?;
    check!(pool.feed != NONE, Error::NoTrigger);
    check!(!pool.fired.get(), Error::AlreadyFired);
    check!(now <= pool.trigger_by.get(), Error::TooLate);
    let feed = Feed::load(a.feed, Error::WrongFeed)?;
    let observation = feed.observation(args.round).ok_or(Error::ObservationOutOfWindow)?;
    let (value, observed_at) = (observation.value.get(), observation.observed_at.get());
    check!(observed_at > pool.created_at.get(), Error::ObservationOutOfWindow);
    check!(observed_at <= pool.trigger_by.get(), Error::ObservationOutOfWindow);
    let stale_after = observed_at.saturating_add(feed.heartbeat.get() as i64);
    check!(now <= stale_after, Error::StaleObservation);
    let threshold = pool.threshold.get();
    let met = if pool.comparator == AT_LEAST { value >= threshold } else { value <= threshold };
    check!(met, Error::ConditionNotMet);

    pool.fired.set(true);
    let seq = pool.next_seq()?;

    TriggerFired {
        pool: a.pool.address(),
        seq,
        actor: a.actor.address(),
        round: args.round,
        value,
    }
    .emit(a.event_authority);
    Ok(())
}
