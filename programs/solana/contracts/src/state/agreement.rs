// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{AgreementCancelled, AgreementSigned},
    Error, ID,
};
use kit::{
    account,
    int::{mul_div, sub, Bool, I64, U16, U32, U64},
};
use pinocchio::{cpi::Seed, error::ProgramError, AccountView, Address};

#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Status {
    PendingSignature = 0,
    Signed = 1,
    Active = 2,
    Disputed = 3,
    Settled = 4,
    Cancelled = 5,
}

/// No feed, no address.
pub const NONE: Address = Address::new_from_array([0; 32]);
pub const BPS: u64 = 10_000;

/// An agreement. PDA `["agreement", proposer, nonce]`; it owns the vault, the token account at
/// `["vault", agreement]`.
#[repr(C)]
pub struct Agreement {
    discriminator: [u8; 8],
    pub proposer: Address,
    pub nonce: U64,
    pub seller: Address,
    pub buyer: Address,
    pub arbiter: Address,
    pub token: Address,
    pub vault: Address,
    pub rent_payer: Address,
    pub commodity: [u8; 32],
    pub terms: [u8; 32],
    pub feed: Address,
    pub quantity: U64,
    pub price_total: U64,
    pub price_cap: U64,
    pub price_floor: U64,
    pub price_mul: U64,
    pub price_div: U64,
    pub seller_margin: U64,
    pub sign_by: I64,
    pub fund_by: I64,
    pub deliver_by: I64,
    pub rule_by: I64,
    /// Of the last delivery, unix seconds.
    pub delivered_at: I64,
    /// Of the last event.
    pub seq: U64,
    pub funded: U64,
    pub delivered: U64,
    /// 0 until fixed.
    pub price: U64,
    pub owed_seller: U64,
    pub owed_buyer: U64,
    pub paid: U64,
    /// Seconds.
    pub accept_within: U32,
    pub default_split_bps: U16,
    pub split_bps: U16,
    pub status: u8,
    pub buyer_funded: Bool,
    pub seller_funded: Bool,
    pub price_fixed: Bool,
    pub accepted: Bool,
    pub ruled: Bool,
    pub seller_cancels: Bool,
    pub buyer_cancels: Bool,
    pub bump: u8,
}
kit::state!(Agreement, 505, ID);

impl Agreement {
    pub const SEED: &'static [u8] = b"agreement";

    #[inline(always)]
    pub fn load(account: &AccountView) -> Result<&mut Self, ProgramError> {
        account::load(account, Error::WrongAgreement)
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

    /// `seq` of the event of a step forward. What a party asked for before it, it asked of
    /// another state: were the request to stand, a buyer could take the goods and then agree.
    #[inline(always)]
    pub fn step(&mut self) -> Result<u64, ProgramError> {
        self.seller_cancels.set(false);
        self.buyer_cancels.set(false);
        self.next_seq()
    }

    #[inline(always)]
    pub fn is_party(&self, address: &Address) -> bool {
        address == &self.seller || address == &self.buyer
    }

    /// The party that did not propose.
    #[inline(always)]
    pub fn counterparty(&self) -> &Address {
        if self.proposer == self.seller {
            &self.buyer
        } else {
            &self.seller
        }
    }

    #[inline(always)]
    pub fn has_feed(&self) -> bool {
        self.feed != NONE
    }

    /// What the buyer pays in.
    #[inline(always)]
    pub fn escrow(&self) -> u64 {
        if self.has_feed() {
            self.price_cap.get()
        } else {
            self.price_total.get()
        }
    }

    /// When delivery was finished, unix seconds; `None` while it goes on.
    #[inline(always)]
    pub fn finished_at(&self, now: i64) -> Option<i64> {
        if self.delivered.get() == self.quantity.get() {
            Some(self.delivered_at.get())
        } else if now > self.deliver_by.get() {
            Some(self.deliver_by.get())
        } else {
            None
        }
    }

    /// Until when the buyer may answer a delivery finished at `finished_at`.
    #[inline(always)]
    pub fn answer_by(&self, finished_at: i64) -> i64 {
        finished_at.saturating_add(self.accept_within.get() as i64)
    }

    /// The counterparty has signed.
    #[inline(always)]
    pub fn sign(
        &mut self,
        account: &AccountView,
        actor: &Address,
        event_authority: &AccountView,
    ) -> Result<(), ProgramError> {
        self.status = Status::Signed as u8;
        self.seller_funded.set(self.seller_margin.get() == 0);
        let seq = self.next_seq()?;
        AgreementSigned {
            agreement: account.address(),
            seq,
            actor,
            signer: self.counterparty(),
            status_after: self.status,
        }
        .emit(event_authority);
        Ok(())
    }

    /// Writes what settlement owes to whom.
    #[inline(always)]
    pub fn owe(&mut self) -> Result<(), ProgramError> {
        let price = if self.has_feed() { self.price.get() } else { self.price_total.get() };
        let (delivered, quantity) = (self.delivered.get(), self.quantity.get());
        let earned = mul_div(price, delivered, quantity)?;
        let kept = mul_div(self.seller_margin.get(), delivered, quantity)?;
        let mut seller = kit::int::add(earned, kept)?;
        if self.is(Status::Disputed) {
            let split = if self.ruled.get() { self.split_bps } else { self.default_split_bps };
            seller = mul_div(seller, split.get() as u64, BPS)?;
        }
        self.owed_seller.set(seller);
        self.owed_buyer.set(sub(self.funded.get(), seller)?);
        Ok(())
    }

    /// Gives back what each has paid in.
    #[inline(always)]
    pub fn cancel(
        &mut self,
        account: &AccountView,
        actor: &Address,
        event_authority: &AccountView,
    ) -> Result<(), ProgramError> {
        let seller = if self.seller_funded.get() { self.seller_margin.get() } else { 0 };
        self.owed_seller.set(seller);
        self.owed_buyer.set(sub(self.funded.get(), seller)?);
        self.status = Status::Cancelled as u8;
        let seq = self.next_seq()?;
        AgreementCancelled {
            agreement: account.address(),
            seq,
            actor,
            owed_seller: self.owed_seller.get(),
            owed_buyer: self.owed_buyer.get(),
            status_after: self.status,
        }
        .emit(event_authority);
        Ok(())
    }

    /// The feed's value in the token's smallest units, between floor and cap.
    #[inline(always)]
    pub fn price_of(&self, value: i128) -> u64 {
        let price = scaled(value.max(0) as u128, self.price_mul.get(), self.price_div.get());
        price.clamp(self.price_floor.get(), self.price_cap.get())
    }

    /// Seeds with which the agreement signs for its vault.
    #[inline(always)]
    pub fn seeds<'a>(&'a self, bump: &'a [u8; 1]) -> [Seed<'a>; 4] {
        [
            Seed::from(Self::SEED),
            Seed::from(self.proposer.as_array()),
            Seed::from(self.nonce.as_bytes()),
            Seed::from(bump),
        ]
    }
}

/// floor(value × mul / div), at most u64's maximum. The product has up to 191 bits; an agreement
/// with a feed has no div of 0.
#[inline(always)]
fn scaled(value: u128, mul: u64, div: u64) -> u64 {
    let low = (value as u64) as u128 * mul as u128;
    let middle = (value >> 64) * mul as u128 + (low >> 64);
    if middle >= div as u128 {
        return u64::MAX;
    }
    kit::int::div_wide(middle as u64, low as u64, div)
}
