// SPDX-License-Identifier: Apache-2.0
use crate::{Error, ID};
use kit::{
    account,
    int::{U32, U64},
};
use pinocchio::{error::ProgramError, AccountView, Address};

/// An ordered list of records, as a document of which the chain has the digest. PDA
/// `["playlist", owner, nonce]`.
#[repr(C)]
pub struct Playlist {
    discriminator: [u8; 8],
    pub owner: Address,
    pub nonce: U64,
    pub digest: [u8; 32],
    /// Of the last event.
    pub seq: U64,
    /// Records in the document, as its owner says.
    pub entries: U32,
    pub visibility: u8,
    pub bump: u8,
}
kit::state!(Playlist, 94, ID);

impl Playlist {
    pub const SEED: &'static [u8] = b"playlist";

    #[inline(always)]
    pub fn load(account: &AccountView) -> Result<&mut Self, ProgramError> {
        account::load(account, Error::WrongPlaylist)
    }
}
