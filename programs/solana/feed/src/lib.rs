// SPDX-License-Identifier: Apache-2.0
//! What the program feeds stores, for itself and for programs that read it.
#![cfg_attr(any(target_os = "solana", target_arch = "bpf"), no_std)]

mod feed;

pub use feed::{Feed, Observation, Observations, MAX_BATCH};
use pinocchio::Address;

/// The program feeds.
pub const ID: Address = kit::program_id(
    "FeedsChainfo1d111111111111111111111111111111",
    option_env!("CHAINFOLD_FEEDS_ID"),
);
