// SPDX-License-Identifier: Apache-2.0
use crate::ID;
use kit::{
    account,
    int::{U32, U64},
};
use pinocchio::{error::ProgramError, AccountView, Address};

#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Active = 0,
    Paused = 1,
    Done = 2,
}

/// A project. PDA `["project", owner, nonce]`.
#[repr(C)]
pub struct Project {
    discriminator: [u8; 8],
    pub owner: Address,
    pub nonce: U64,
    pub organisation: [u8; 32],
    /// In the smallest unit of what the owner counts in; nothing is paid by it.
    pub budget: U64,
    /// Of the last event.
    pub seq: U64,
    /// A bit for each milestone, set when it is done.
    pub done: U64,
    pub milestones: U32,
    pub milestones_done: U32,
    pub kind: u8,
    pub status: u8,
    pub bump: u8,
}
kit::state!(Project, 115, ID);

impl Project {
    pub const SEED: &'static [u8] = b"project";

    /// The project in `account`, or `error` when it is none.
    #[inline(always)]
    pub fn load(
        account: &AccountView,
        error: impl Into<ProgramError> + Copy,
    ) -> Result<&mut Self, ProgramError> {
        account::load(account, error)
    }

    #[inline(always)]
    pub fn is(&self, status: Status) -> bool {
        self.status == status as u8
    }

    /// `seq` of the event that is about to be emitted.
    #[inline(always)]
    pub fn next_seq(&mut self) -> Result<u64, ProgramError> {
        self.seq.add(1)
    }
}
