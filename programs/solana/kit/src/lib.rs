// SPDX-License-Identifier: Apache-2.0
//! What all chainfold programs share. Rules: programs/SPEC.md, "General rules".
#![cfg_attr(any(target_os = "solana", target_arch = "bpf"), no_std)]

#[macro_use]
mod check;
pub mod account;
pub mod address;
pub mod borsh;
mod counter;
pub mod ed25519;
pub mod error;
pub mod event;
pub mod int;
pub mod merkle;
pub mod sysvar;
pub mod token;

pub use error::Error;

/// First eight bytes of sha-256, by which Anchor tells instructions (`global:NAME`), accounts
/// (`account:Name`) and events (`event:Name`) apart.
pub const fn discriminator(name: &str) -> [u8; 8] {
    let h = sha2_const_stable::Sha256::new().update(name.as_bytes()).finalize();
    [h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]]
}

/// The program's address: `default`, unless the environment named another when it was built.
pub const fn program_id(default: &str, built_with: Option<&str>) -> pinocchio::Address {
    pinocchio::Address::from_str_const(match built_with {
        Some(id) => id,
        None => default,
    })
}

/// Declares the entry point: `$route` maps an instruction's discriminator to its `process`.
#[macro_export]
macro_rules! entrypoint {
    ($id:expr, $event_authority:expr, { $($discriminator:literal => $process:path,)+ }) => {
        pub fn process(
            program: &pinocchio::Address,
            accounts: &mut [pinocchio::AccountView],
            data: &[u8],
        ) -> pinocchio::ProgramResult {
            $crate::check!(program == &$id, $crate::Error::WrongProgram);
            let Some((discriminator, args)) = data.split_first_chunk::<8>() else {
                return Err($crate::Error::InvalidInstruction.into());
            };
            $(
                if *discriminator == const { $crate::discriminator(concat!("global:", $discriminator)) } {
                    return $process(accounts, args);
                }
            )+
            if *discriminator == $crate::event::SELF_CALL {
                return $crate::event::accept(&$event_authority, accounts);
            }
            Err($crate::Error::InvalidInstruction.into())
        }

        #[cfg(any(target_os = "solana", target_arch = "bpf"))]
        mod entry {
            pinocchio::program_entrypoint!(super::process, 24);
            pinocchio::no_allocator!();
            pinocchio::nostd_panic_handler!();
        }
    };
}
