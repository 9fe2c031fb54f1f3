// SPDX-License-Identifier: Apache-2.0
//! Who and what: roles, profiles, attestations, records, playlists. Rules: programs/SPEC.md,
//! "Registry".
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
    "RegistryChainfo1d11111111111111111111111111",
    option_env!("CHAINFOLD_REGISTRY_ID"),
);
const LOADER: Address = Address::from_str_const("BPFLoaderUpgradeab1e11111111111111111111111");
/// Where the loader keeps this program's code, and who may change it.
const PROGRAM_DATA: Address = Address::new_from_array(
    const_crypto::ed25519::derive_program_address(&[ID.as_array()], LOADER.as_array()).0,
);
/// PDA `["scope", zero, 0]`.
const GLOBAL_SCOPE: Address = Address::new_from_array(
    const_crypto::ed25519::derive_program_address(&[b"scope", &[0; 32], &[0; 8]], ID.as_array()).0,
);
const AUTHORITY: ([u8; 32], u8) =
    const_crypto::ed25519::derive_program_address(&[kit::event::AUTHORITY_SEED], ID.as_array());
const EVENT_AUTHORITY: Address = Address::new_from_array(AUTHORITY.0);
const EVENT_AUTHORITY_BUMP: u8 = AUTHORITY.1;

kit::entrypoint!(ID, EVENT_AUTHORITY, {
    "initialize" => instructions::initialize::process,
    "open_scope" => instructions::open_scope::process,
    "grant" => instructions::grant::process,
    "revoke" => instructions::revoke::process,
    "announce" => instructions::announce::process,
    "set_profile" => instructions::set_profile::process,
    "link" => instructions::link::process,
    "unlink" => instructions::unlink::process,
    "set_profile_status" => instructions::set_profile_status::process,
    "attest" => instructions::attest::process,
    "revoke_attestation" => instructions::revoke_attestation::process,
    "create_record" => instructions::create_record::process,
    "update_record" => instructions::update_record::process,
    "set_visibility" => instructions::set_visibility::process,
    "retire" => instructions::retire::process,
    "create_playlist" => instructions::create_playlist::process,
    "update_playlist" => instructions::update_playlist::process,
});
