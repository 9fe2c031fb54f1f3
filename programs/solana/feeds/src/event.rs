// SPDX-License-Identifier: Apache-2.0
//! Every event begins with the feed, its `seq`, and who called. Times are unix seconds.
use kit::{borsh::Text, event::check_event_accounts};
use pinocchio::{AccountView, Address, ProgramResult};

/// The event authority and the program itself end the accounts of every instruction.
#[inline(always)]
pub fn check_events(authority: &AccountView, program: &AccountView) -> ProgramResult {
    check_event_accounts(authority, program, &crate::EVENT_AUTHORITY, &crate::ID)
}

kit::event! {
    FeedOpened {
        feed: Address,
        seq: u64,
        actor: Address,
        nonce: u64,
        decimals: u8,
        heartbeat: u32,
        name: Text,
        unit: Text,
    }
}

kit::event! {
    ObservationPublished {
        feed: Address,
        seq: u64,
        actor: Address,
        round: u64,
        value: i128,
        observed_at: i64,
    }
}
