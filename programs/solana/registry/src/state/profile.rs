// SPDX-License-Identifier: Apache-2.0
use crate::{Error, ID};
use kit::{
    account,
    int::{U32, U64},
};
use pinocchio::{error::ProgramError, AccountView, Address};

/// 0 New, 1 Verified, 2 Suspended.
pub const STATUSES: u8 = 3;

/// What a wallet says of itself. PDA `["profile", wallet]`.
#[repr(C)]
pub struct Profile {
    discriminator: [u8; 8],
    pub wallet: Address,
    pub metadata: [u8; 32],
    /// Of the last event.
    pub seq: U64,
    /// Wallets linked to it.
    pub linked: U32,
    pub status: u8,
    pub bump: u8,
}
kit::state!(Profile, 86, ID);

impl Profile {
    pub const SEED: &'static [u8] = b"profile";

    #[inline(always)]
    pub fn load(account: &AccountView) -> Result<&mut Self, ProgramError> {
        account::load(account, Error::WrongProfile)
    }
}
