// SPDX-License-Identifier: Apache-2.0
use super::{
    part::{OfPool, Place},
    Pool,
};
use crate::{Error, ID};
use kit::{account, check, int::Bool};
use pinocchio::{error::ProgramError, AccountView, Address};

/// Whether a vendor is paid by vouchers. PDA `["vendor", pool, vendor]`.
#[repr(C)]
pub struct Vendor {
    discriminator: [u8; 8],
    pub pool: Address,
    pub rent_payer: Address,
    pub vendor: Address,
    pub allowed: Bool,
    pub bump: u8,
}
kit::state!(Vendor, 106, ID);
// SAFETY: pool and rent_payer come first.
unsafe impl OfPool for Vendor {}

impl Vendor {
    pub const SEED: &'static [u8] = b"vendor";

    /// A vendor of `pool`, or `error`.
    #[inline(always)]
    pub fn load<'a>(
        account: &'a AccountView,
        pool: &Address,
        error: Error,
    ) -> Result<&'a mut Self, ProgramError> {
        let vendor = account::load::<Self>(account, error)?;
        check!(&vendor.pool == pool, error);
        Ok(vendor)
    }

    /// The account of `vendor`, made when it is not there.
    #[inline(always)]
    pub fn load_or_create<'a>(
        place: &Place<'a>,
        pool: &mut Pool,
        vendor: &Address,
    ) -> Result<&'a mut Self, ProgramError> {
        if place.account.owned_by(&ID) {
            let found = Self::load(place.account, place.pool.address(), Error::WrongVendor)?;
            check!(&found.vendor == vendor, Error::WrongVendor);
            return Ok(found);
        }
        let keys: [&[u8]; 2] = [vendor.as_array(), &[]];
        let (made, bump) = place.create::<Self>(pool, Self::SEED, keys, Error::WrongVendor)?;
        made.vendor = *vendor;
        made.bump = bump;
        Ok(made)
    }
}
