// SPDX-License-Identifier: Apache-2.0
use crate::{Error, ID};
use kit::{account, int::U64};
use pinocchio::{error::ProgramError, AccountView, Address};

/// 0 Video, 1 Clip, 2 Content, 3 Document, 4 Farm, 5 Commodity.
pub const KINDS: u8 = 6;
/// 0 Public, 1 Unlisted, 2 Hidden.
pub const VISIBILITIES: u8 = 3;

#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Active = 0,
    Retired = 1,
}

/// A thing that others refer to. PDA `["record", owner, nonce]`.
#[repr(C)]
pub struct Record {
    discriminator: [u8; 8],
    pub owner: Address,
    pub nonce: U64,
    /// The record that it is a part of, or zero.
    pub parent: Address,
    pub digest: [u8; 32],
    /// sha-256 of the Wistia id, or zero.
    pub wistia: [u8; 32],
    /// Of the last event.
    pub seq: U64,
    pub kind: u8,
    pub visibility: u8,
    pub status: u8,
    pub bump: u8,
}
kit::state!(Record, 156, ID);

impl Record {
    pub const SEED: &'static [u8] = b"record";

    #[inline(always)]
    pub fn load(account: &AccountView) -> Result<&mut Self, ProgramError> {
        account::load(account, Error::WrongRecord)
    }

    #[inline(always)]
    pub fn is(&self, status: Status) -> bool {
        self.status == status as u8
    }
}
