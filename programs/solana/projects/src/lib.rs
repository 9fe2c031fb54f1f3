// SPDX-License-Identifier: Apache-2.0
//! Projects whose owners open pools in them. Rules: programs/SPEC.md, "Projects".
#![cfg_attr(any(target_os = "solana", target_arch = "bpf"), no_std)]

#[cfg(target_arch = "bpf")]
extern crate solana_compiler_builtins as _;

mod error;
mod event;
mod instructions;
mod state;

pub use error::Error;
use pinocchio::Address;
pub use project::ID;

const AUTHORITY: ([u8; 32], u8) =
    const_crypto::ed25519::derive_program_address(&[kit::event::AUTHORITY_SEED], ID.as_array());
const EVENT_AUTHORITY: Address = Address::new_from_array(AUTHORITY.0);
const EVENT_AUTHORITY_BUMP: u8 = AUTHORITY.1;

kit::entrypoint!(ID, EVENT_AUTHORITY, {
    "create" => instructions::create::process,
    "update" => instructions::update::process,
    "add_milestone" => instructions::add_milestone::process,
    "complete_milestone" => instructions::complete_milestone::process,
});
