// SPDX-License-Identifier: Apache-2.0
//! Pari-mutuel markets. Rules: programs/SPEC.md, "Bets".
#![cfg_attr(any(target_os = "solana", target_arch = "bpf"), no_std)]

#[cfg(target_arch = "bpf")]
extern crate solana_compiler_builtins as _;

mod error;
mod event;
mod instructions;
mod state;

pub use error::Error;
use pinocchio::Address;

pub const ID: Address = kit::program_id(
    "BetsChainfo1d1111111111111111111111111111111",
    option_env!("CHAINFOLD_BETS_ID"),
);
const AUTHORITY: ([u8; 32], u8) =
    const_crypto::ed25519::derive_program_address(&[kit::event::AUTHORITY_SEED], ID.as_array());
const EVENT_AUTHORITY: Address = Address::new_from_array(AUTHORITY.0);
const EVENT_AUTHORITY_BUMP: u8 = AUTHORITY.1;

kit::entrypoint!(ID, EVENT_AUTHORITY, {
    "place" => instructions::place::process,
    "claim" => instructions::claim::process,
    "open" => instructions::open::process,
    "resolve" => instructions::resolve::process,
    "void" => instructions::void::process,
    "collect_fee" => instructions::collect_fee::process,
    "close_position" => instructions::close_position::process,
    "close" => instructions::close::process,
});
