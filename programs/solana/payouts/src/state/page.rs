// SPDX-License-Identifier: Apache-2.0
use super::{
    part::{OfPool, Place},
    Pool,
};
use crate::{Error, ID};
use kit::{account, check, int::U64};
use pinocchio::{error::ProgramError, AccountView, Address};

/// Which of 8,192 leaves have been taken. PDA `["page", pool, number]`, number (u64 le) being
/// index / 8,192.
#[repr(C)]
pub struct Page {
    discriminator: [u8; 8],
    pub pool: Address,
    pub rent_payer: Address,
    pub number: U64,
    /// The lowest bit of the first byte is the page's first leaf.
    pub taken: [u8; 1024],
    pub bump: u8,
}
kit::state!(Page, 1105, ID);
// SAFETY: pool and rent_payer come first.
unsafe impl OfPool for Page {}

impl Page {
    pub const SEED: &'static [u8] = b"page";
    const LEAVES: u64 = 8192;

    /// The page of `index` in `pool`.
    #[inline(always)]
    pub fn load<'a>(
        account: &'a AccountView,
        pool: &Address,
        index: u64,
    ) -> Result<&'a mut Self, ProgramError> {
        let page = account::load::<Self>(account, Error::WrongPage)?;
        check!(&page.pool == pool, Error::WrongPage);
        check!(page.number.get() == index / Self::LEAVES, Error::WrongPage);
        Ok(page)
    }

    /// The page of `index`, with no leaf taken.
    #[inline(always)]
    pub fn create<'a>(
        place: &Place<'a>,
        pool: &mut Pool,
        index: u64,
    ) -> Result<&'a mut Self, ProgramError> {
        let number = U64::from(index / Self::LEAVES);
        let keys: [&[u8]; 2] = [number.as_bytes(), &[]];
        let (page, bump) = place.create::<Self>(pool, Self::SEED, keys, Error::WrongPage)?;
        page.number = number;
        page.bump = bump;
        Ok(page)
    }

    #[inline(always)]
    pub fn is_taken(&self, index: u64) -> bool {
        let (byte, bit) = Self::place_of(index);
        self.taken[byte] & bit != 0
    }

    #[inline(always)]
    pub fn take(&mut self, index: u64) {
        let (byte, bit) = Self::place_of(index);
        self.taken[byte] |= bit;
    }

    #[inline(always)]
    fn place_of(index: u64) -> (usize, u8) {
        let place = index % Self::LEAVES;
        ((place / 8) as usize, 1 << (place % 8))
    }
}
