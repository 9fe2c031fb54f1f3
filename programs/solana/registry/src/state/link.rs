// SPDX-License-Identifier: Apache-2.0
use crate::{Error, ID};
use kit::account;
use pinocchio::{error::ProgramError, AccountView, Address};

/// A wallet that belongs to another wallet's profile. PDA `["link", wallet]`.
#[repr(C)]
pub struct Link {
    discriminator: [u8; 8],
    pub wallet: Address,
    /// The profile's wallet.
    pub profile: Address,
    pub rent_payer: Address,
    pub bump: u8,
}
kit::state!(Link, 105, ID);

impl Link {
    pub const SEED: &'static [u8] = b"link";

    #[inline(always)]
    pub fn load(account: &AccountView) -> Result<&mut Self, ProgramError> {
        account::load(account, Error::NotLinked)
    }
}
