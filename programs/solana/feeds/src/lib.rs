// SPDX-License-Identifier: Apache-2.0
//! Observations by publishers. Rules: programs/SPEC.md, "Feeds".
#![cfg_attr(any(target_os = "solana", target_arch = "bpf"), no_std)]

#[cfg(target_arch = "bpf")]
extern crate solana_compiler_builtins as _;

mod error;
mod event;
mod instructions;
mod state;

pub use error::Error;
pub use feed::ID;
use pinocchio::Address;

const AUTHORITY: ([u8; 32], u8) =
    const_crypto::ed25519::derive_program_address(&[kit::event::AUTHORITY_SEED], ID.as_array());
const EVENT_AUTHORITY: Address = Address::new_from_array(AUTHORITY.0);
const EVENT_AUTHORITY_BUMP: u8 = AUTHORITY.1;

kit::entrypoint!(ID, EVENT_AUTHORITY, {
    "publish" => instructions::publish::process,
    "open" => instructions::open::process,
});
