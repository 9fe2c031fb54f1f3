// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, FeedOpened},
    state::count,
    Error,
};
use feed::Feed;
use kit::{
    account::{self, check_system_program, Payer},
    borsh::{Text, MAX_TEXT},
    check,
};
use pinocchio::{AccountView, ProgramResult};

const MAX_DECIMALS: u8 = 38;

kit::accounts! {
    /// [signer] Who will publish.
    publisher,
    /// [signer, writable] Pays the rent of what is created.
    payer,
    /// [writable] PDA `["counter"]`.
    counter,
    /// [writable] PDA `["creator", publisher]`.
    creator_counter,
    /// [writable] PDA `["feed", publisher, nonce]`, nonce being the creator counter's.
    feed,
    /// [] System program.
    system_program,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    decimals: u8,
    heartbeat: u32,
    name: Text,
    unit: Text,
}

/// Opens a feed (F-1).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.publisher.is_signer(), kit::Error::NotSigner);
    check!(a.payer.is_signer(), kit::Error::NotSigner);
    check_system_program(a.system_program)?;
    check_events(a.event_authority, a.program)?;

    check!(args.heartbeat > 0, Error::InvalidHeartbeat);
    check!(args.decimals <= MAX_DECIMALS, Error::InvalidDecimals);
    check!(args.name.len() + args.unit.len() <= MAX_TEXT, kit::Error::TextTooLong);

    let publisher = a.publisher.address();
    let payer = Payer::new(a.payer);
    let nonce = count(&payer, a.counter, a.creator_counter, publisher)?;
    let seeds = [Feed::SEED, publisher.as_array(), nonce.as_bytes()];
    let (feed, bump) = account::create::<Feed, 3>(&payer, a.feed, seeds, Error::WrongFeed)?;
    feed.publisher = *publisher;
    feed.nonce = nonce;
    feed.decimals = args.decimals;
    feed.heartbeat = args.heartbeat.into();
    feed.bump = bump;
    let seq = feed.seq.add(1)?;

    FeedOpened {
        feed: a.feed.address(),
        seq,
        actor: publisher,
        nonce: nonce.get(),
        decimals: args.decimals,
        heartbeat: args.heartbeat,
        name: args.name,
        unit: args.unit,
    }
    .emit(a.event_authority);
    Ok(())
}
