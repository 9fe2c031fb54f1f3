// SPDX-License-Identifier: Apache-2.0
use super::{Entry, Page, Pool, Vendor, Voucher};
use crate::{Error, ID};
use kit::{
    account::{self, Payer, State},
    check,
};
use pinocchio::{error::ProgramError, AccountView, Address};

/// What all accounts that belong to a pool begin with.
#[repr(C)]
pub struct Part {
    discriminator: [u8; 8],
    pub pool: Address,
    pub rent_payer: Address,
}

/// A state that begins as `Part` does.
///
/// # Safety
/// Its first fields are `Part`'s.
pub unsafe trait OfPool: State {}

impl Part {
    /// What is left to close in a pool that has ended; receipts are closed by their refund.
    #[inline(always)]
    pub fn load<'a>(account: &'a AccountView, pool: &Address) -> Result<&'a Self, ProgramError> {
        check!(account.owned_by(&ID), Error::WrongPart);
        check!(account.data_len() > size_of::<Self>(), Error::WrongPart);
        // SAFETY: the account has more than these bytes, any of which are valid; nothing else of
        // the instruction refers to them.
        let part = unsafe { &*(account.data_ptr() as *const Self) };
        let kinds = [
            Entry::DISCRIMINATOR,
            Page::DISCRIMINATOR,
            Vendor::DISCRIMINATOR,
            Voucher::DISCRIMINATOR,
        ];
        check!(kinds.contains(&part.discriminator), Error::WrongPart);
        check!(&part.pool == pool, Error::WrongPart);
        Ok(part)
    }
}

/// Where a new part of `pool` goes, and who pays for it.
pub struct Place<'a> {
    pub payer: &'a Payer<'a>,
    pub account: &'a AccountView,
    pub pool: &'a AccountView,
}

impl<'a> Place<'a> {
    /// Creates a part at the canonical PDA of `[kind, pool, keys…]`, counts it, and gives it with
    /// its bump. The second key may be empty, which leaves the address as it is without it.
    #[inline(always)]
    pub fn create<S: OfPool>(
        &self,
        pool: &mut Pool,
        kind: &[u8],
        keys: [&[u8]; 2],
        error: Error,
    ) -> Result<(&'a mut S, u8), ProgramError> {
        let seeds = [kind, self.pool.address().as_array(), keys[0], keys[1]];
        let (state, bump) = account::create::<S, 4>(self.payer, self.account, seeds, error)?;
        pool.parts.add(1)?;
        // SAFETY: the state begins as a part does, which is what its trait says.
        let part = unsafe { &mut *(state as *mut S as *mut Part) };
        part.pool = *self.pool.address();
        part.rent_payer = *self.payer.address();
        Ok((state, bump))
    }
}
