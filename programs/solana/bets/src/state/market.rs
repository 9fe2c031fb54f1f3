// SPDX-License-Identifier: Apache-2.0
use crate::{Error, ID};
use kit::{
    account,
    int::{Bool, I64, U16, U64},
};
use pinocchio::{cpi::Seed, error::ProgramError, AccountView, Address};

#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Open = 0,
    Resolved = 1,
    Voided = 2,
}

/// `outcome` of a market that is not resolved.
pub const NO_OUTCOME: u8 = u8::MAX;

/// A market. PDA `["market", creator, nonce]`; it owns the vault, the token account at
/// `["vault", market]`.
#[repr(C)]
pub struct Market {
    discriminator: [u8; 8],
    pub creator: Address,
    pub nonce: U64,
    pub resolver: Address,
    pub token: Address,
    pub vault: Address,
    pub fee_recipient: Address,
    pub rent_payer: Address,
    pub subject: [u8; 32],
    pub question: [u8; 32],
    /// Unix seconds from which no bet is taken.
    pub close_at: I64,
    /// Unix seconds until which the resolver may resolve.
    pub resolve_by: I64,
    /// Of the last event.
    pub seq: U64,
    /// All stakes ever placed; fees come out of it, it never falls.
    pub total: U64,
    /// Fixed when resolved.
    pub winning_pool: U64,
    /// Fixed when resolved.
    pub fee: U64,
    /// total − fee, fixed when resolved or voided.
    pub net: U64,
    /// Everything paid out of the vault.
    pub paid: U64,
    /// Position accounts that exist.
    pub positions: U64,
    /// Stakes placed on each outcome.
    pub pools: [U64; 16],
    pub fee_bps: U16,
    pub outcome_count: u8,
    pub status: u8,
    pub outcome: u8,
    pub fee_collected: Bool,
    pub bump: u8,
}
kit::state!(Market, 479, ID);

impl Market {
    pub const SEED: &'static [u8] = b"market";

    #[inline(always)]
    pub fn load(account: &AccountView) -> Result<&mut Self, ProgramError> {
        account::load(account, Error::WrongMarket)
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

    /// Does a position on `outcome` have something to get? Only of a settled market.
    #[inline(always)]
    pub fn pays(&self, outcome: u8) -> bool {
        self.is(Status::Voided) || outcome == self.outcome
    }

    /// Everybody gets their stake back (B-11, B-12).
    #[inline(always)]
    pub fn void(&mut self) {
        self.status = Status::Voided as u8;
        self.net = self.total;
    }

    /// Seeds with which the market signs for its vault.
    #[inline(always)]
    pub fn seeds<'a>(&'a self, bump: &'a [u8; 1]) -> [Seed<'a>; 4] {
        [
            Seed::from(Self::SEED),
            Seed::from(self.creator.as_array()),
            Seed::from(self.nonce.as_bytes()),
            Seed::from(bump),
        ]
    }
}
