// SPDX-License-Identifier: Apache-2.0
//! What the program projects stores, for itself and for programs that read it.
#![cfg_attr(any(target_os = "solana", target_arch = "bpf"), no_std)]

mod project;

use pinocchio::Address;
pub use project::{Project, Status};

/// The program projects.
pub const ID: Address = kit::program_id(
    "ProjectsChainfo1d11111111111111111111111111",
    option_env!("CHAINFOLD_PROJECTS_ID"),
);
/// The program in which pools name projects.
pub const PAYOUTS: Address = kit::program_id(
    "PayoutsChainfo1d111111111111111111111111111",
    option_env!("CHAINFOLD_PAYOUTS_ID"),
);
