// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, ObservationPublished},
    Error, EVENT_AUTHORITY_BUMP, ID,
};
use feed::{Feed, Observations, MAX_BATCH};
use kit::{borsh::Writer, check, event::emit, sysvar};
use pinocchio::{AccountView, ProgramResult};

/// How far a publisher's clock may be ahead of the chain's, seconds.
const MAX_AHEAD: i64 = 60;

// what differs between the events of a batch
const SEQ: usize = ObservationPublished::offset_of("seq");
const ROUND: usize = ObservationPublished::offset_of("round");
const VALUE: usize = ObservationPublished::offset_of("value");
const OBSERVED_AT: usize = ObservationPublished::offset_of("observed_at");

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

    let (mut round, mut seq) = (feed.count.get(), feed.seq.get());
    feed.count.add(count as u64)?;
    feed.seq.add(count as u64)?;
    let mut writer = Writer::<{ ObservationPublished::MAX }>::new();
    let (feed_address, actor) = (a.feed.address(), a.publisher.address());
    ObservationPublished { feed: feed_address, seq, actor, round, value: 0, observed_at: 0 }
        .write(&mut writer);
    let authority = (a.event_authority, EVENT_AUTHORITY_BUMP);
    emit(&ID, authority, &mut writer, args.observations, |writer, observation| {
        // neither can pass u64 here
        (round, seq) = (round.wrapping_add(1), seq.wrapping_add(1));
        feed.put(round, observation);
        writer.set::<SEQ, 8>(&seq.to_le_bytes());
        writer.set::<ROUND, 8>(&round.to_le_bytes());
        writer.set::<VALUE, 16>(observation.value.as_bytes());
        writer.set::<OBSERVED_AT, 8>(observation.observed_at.as_bytes());
    });
    Ok(())
}
