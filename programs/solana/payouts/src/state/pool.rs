// SPDX-License-Identifier: Apache-2.0
use crate::{Error, ID};
use kit::{
    account, check,
    int::{Bool, I128, I64, U32, U64},
    sysvar,
};
use pinocchio::{cpi::Seed, error::ProgramError, AccountView, Address, ProgramResult};

#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Funding = 0,
    Published = 1,
    Vetoed = 2,
    Expired = 3,
}

/// The kind of pool that records are entered in. The others are 1 Revenue and 2 Aid, which tell
/// people what a pool is for.
pub const ROUND: u8 = 0;
pub const KINDS: u8 = 3;

/// No guardian, no project, no feed.
pub const NONE: Address = Address::new_from_array([0; 32]);

/// A pool. PDA `["pool", creator, nonce]`; it owns the vault, the token account at
/// `["vault", pool]`.
#[repr(C)]
pub struct Pool {
    discriminator: [u8; 8],
    pub creator: Address,
    pub nonce: U64,
    pub operator: Address,
    pub guardian: Address,
    pub token: Address,
    pub vault: Address,
    pub rent_payer: Address,
    pub project: Address,
    pub record: [u8; 32],
    pub feed: Address,
    pub root: [u8; 32],
    pub manifest: [u8; 32],
    pub threshold: I128,
    /// Slots or unix seconds, see `by_height`.
    pub opens_at: U64,
    pub closes_at: U64,
    pub entry_fee: U64,
    pub publish_by: I64,
    pub expires_at: I64,
    pub trigger_by: I64,
    pub created_at: I64,
    /// End of the challenge of what is published.
    pub claims_open_at: I64,
    /// Of the last event.
    pub seq: U64,
    pub funded: U64,
    pub total: U64,
    /// Of total, neither claimed nor allocated.
    pub unclaimed: U64,
    /// Allocated, not redeemed.
    pub vouchers: U64,
    /// What there was to refund when the pool expired.
    pub left: U64,
    pub refunded: U64,
    /// Receipts that are not refunded yet, once the pool expired.
    pub receipts: U64,
    /// Accounts that belong to the pool and are not closed.
    pub parts: U64,
    /// Seconds.
    pub challenge_delay: U32,
    pub leaf_count: U32,
    pub kind: u8,
    pub by_height: Bool,
    /// 1: value ≥ threshold, 2: value ≤ threshold.
    pub comparator: u8,
    pub fired: Bool,
    pub status: u8,
    pub bump: u8,
}
kit::state!(Pool, 534, ID);

impl Pool {
    pub const SEED: &'static [u8] = b"pool";

    #[inline(always)]
    pub fn load(account: &AccountView) -> Result<&mut Self, ProgramError> {
        account::load(account, Error::WrongPool)
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

    /// Nothing stands published: the pool takes money, and a root.
    #[inline(always)]
    pub fn is_unpublished(&self) -> bool {
        self.is(Status::Funding) || self.is(Status::Vetoed)
    }

    /// Where its window stands: the slot, or `now`.
    #[inline(always)]
    pub fn present(&self, now: i64) -> Result<u64, ProgramError> {
        if self.by_height.get() {
            return sysvar::slot();
        }
        Ok(now.max(0) as u64)
    }

    /// Nothing is paid any more but refunds (P-15). It stays so.
    #[inline(always)]
    pub fn has_ended(&self, now: i64) -> bool {
        self.is(Status::Expired)
            || now >= self.expires_at.get()
            || self.is_unpublished() && now > self.publish_by.get()
    }

    /// Leaves can be taken (P-10).
    #[inline(always)]
    pub fn check_claims(&self, now: i64) -> ProgramResult {
        check!(self.is(Status::Published), Error::WrongStatus);
        check!(self.feed == NONE || self.fired.get(), Error::NotTriggered);
        check!(now >= self.claims_open_at.get(), Error::TooEarly);
        check!(now < self.expires_at.get(), Error::TooLate);
        Ok(())
    }

    /// Fixes what there is to refund, when the pool is found to have ended.
    #[inline(always)]
    pub fn expire(&mut self) -> ProgramResult {
        if self.is(Status::Expired) {
            return Ok(());
        }
        // what was funded, less what left the vault: claims, and vouchers that were redeemed
        let taken = kit::int::sub(self.total.get(), self.unclaimed.get())?;
        let paid = kit::int::sub(taken, self.vouchers.get())?;
        self.left = kit::int::sub(self.funded.get(), paid)?.into();
        self.receipts = self.funded;
        self.status = Status::Expired as u8;
        Ok(())
    }

    /// Seeds with which the pool signs for its vault.
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
