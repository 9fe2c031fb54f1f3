// SPDX-License-Identifier: Apache-2.0
//! Two-party forward agreements. Rules: programs/SPEC.md, "Contracts".
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
    "ContractsChainfo1d11111111111111111111111111",
    option_env!("CHAINFOLD_CONTRACTS_ID"),
);
const AUTHORITY: ([u8; 32], u8) =
    const_crypto::ed25519::derive_program_address(&[kit::event::AUTHORITY_SEED], ID.as_array());
const EVENT_AUTHORITY: Address = Address::new_from_array(AUTHORITY.0);
const EVENT_AUTHORITY_BUMP: u8 = AUTHORITY.1;

kit::entrypoint!(ID, EVENT_AUTHORITY, {
    "propose" => instructions::propose::process,
    "sign" => instructions::sign::process,
    "sign_by_sig" => instructions::sign_by_sig::process,
    "fund" => instructions::fund::process,
    "record_delivery" => instructions::record_delivery::process,
    "accept" => instructions::accept::process,
    "dispute" => instructions::dispute::process,
    "rule" => instructions::rule::process,
    "fix_price" => instructions::fix_price::process,
    "settle" => instructions::settle::process,
    "cancel" => instructions::cancel::process,
    "withdraw" => instructions::withdraw::process,
    "close" => instructions::close::process,
});
