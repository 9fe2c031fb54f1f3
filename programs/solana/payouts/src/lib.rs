// SPDX-License-Identifier: Apache-2.0
//! Pools that pay many people. Rules: programs/SPEC.md, "Payouts".
#![cfg_attr(any(target_os = "solana", target_arch = "bpf"), no_std)]

#[cfg(target_arch = "bpf")]
extern crate solana_compiler_builtins as _;

mod error;
mod event;
mod instructions;
mod leaf;
mod state;

pub use error::Error;
use pinocchio::Address;
pub use project::PAYOUTS as ID;

/// A constant of the interface. The cluster that leaves and signatures are for: neither holds on
/// another.
pub const CLUSTER: Address = kit::program_id(
    "Loca1netChainfo1d11111111111111111111111111",
    option_env!("CHAINFOLD_CLUSTER"),
);
const AUTHORITY: ([u8; 32], u8) =
    const_crypto::ed25519::derive_program_address(&[kit::event::AUTHORITY_SEED], ID.as_array());
const EVENT_AUTHORITY: Address = Address::new_from_array(AUTHORITY.0);
const EVENT_AUTHORITY_BUMP: u8 = AUTHORITY.1;

kit::entrypoint!(ID, EVENT_AUTHORITY, {
    "claim" => instructions::claim::process,
    "fund" => instructions::fund::process,
    "redeem" => instructions::redeem::process,
    "allocate" => instructions::allocate::process,
    "refund" => instructions::refund::process,
    "enter" => instructions::enter::process,
    "open" => instructions::open::process,
    "publish" => instructions::publish::process,
    "veto" => instructions::veto::process,
    "fire" => instructions::fire::process,
    "set_vendor" => instructions::set_vendor::process,
    "reclaim" => instructions::reclaim::process,
    "close" => instructions::close::process,
});
