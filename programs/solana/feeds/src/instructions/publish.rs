// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, ObservationPublished},
    Error,
};
use feed::{Feed, Observations, MAX_BATCH};
use kit::{check, sysvar};
use pinocchio::{AccountView, ProgramResult};

/// How far a publisher's clock may be ahead of the chain's, seconds.
const MAX_AHEAD: i64 = 60;

kit::accounts! {
    /// [signer] The feed's publisher.
    publisher,
    /// [writable] The feed.
    feed,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    observations: Observations,
}

/// Publishes observations, the oldest first (F-2).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.publisher.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let feed = Feed::load(a.feed, Error::WrongFeed)?;

    check!(a.publisher.address() == &feed.publisher, Error::NotPublisher);
    let count = args.observations.len();
    check!((1..=MAX_BATCH).contains(&count), Error::InvalidBatch);
    let mut last = feed.observation(feed.count.get()).map_or(0, |o| o.observed_at.get());
    for observation in args.observations {
        let observed_at = observation.observed_at.get();
        check!(last < observed_at, Error::NotLater);
        last = observed_at;
    }
    check!(last <= sysvar::now()?.saturating_add(MAX_AHEAD), Error::FromFuture);

    for observation in args.observations {
        let round = feed.push(observation)?;
        let seq = feed.seq.add(1)?;
        ObservationPublished {
            feed: a.feed.address(),
            seq,
            actor: a.publisher.address(),
            round,
            value: observation.value.get(),
            observed_at: observation.observed_at.get(),
        }
        .emit(a.event_authority);
    }
    Ok(())
}
