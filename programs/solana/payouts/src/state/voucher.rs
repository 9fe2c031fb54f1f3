// SPDX-License-Identifier: Apache-2.0
use super::{
    part::{OfPool, Place},
    Pool,
};
use crate::{Error, ID};
use kit::{account, check, int::U64};
use pinocchio::{error::ProgramError, AccountView, Address};

/// What a beneficiary can still redeem. PDA `["voucher", pool, account]`.
#[repr(C)]
pub struct Voucher {
    discriminator: [u8; 8],
    pub pool: Address,
    pub rent_payer: Address,
    pub account: Address,
    pub amount: U64,
    /// Of the beneficiary's next signature.
    pub nonce: U64,
    pub bump: u8,
}
kit::state!(Voucher, 121, ID);
// SAFETY: pool and rent_payer come first.
unsafe impl OfPool for Voucher {}

impl Voucher {
    pub const SEED: &'static [u8] = b"voucher";

    /// A voucher of `pool`.
    #[inline(always)]
    pub fn load<'a>(
        account: &'a AccountView,
        pool: &Address,
    ) -> Result<&'a mut Self, ProgramError> {
        let voucher = account::load::<Self>(account, Error::WrongVoucher)?;
        check!(&voucher.pool == pool, Error::WrongVoucher);
        Ok(voucher)
    }

    /// The voucher of `beneficiary`, made when it is not there.
    #[inline(always)]
    pub fn load_or_create<'a>(
        place: &Place<'a>,
        pool: &mut Pool,
        beneficiary: &Address,
    ) -> Result<&'a mut Self, ProgramError> {
        if place.account.owned_by(&ID) {
            let found = Self::load(place.account, place.pool.address())?;
            check!(&found.account == beneficiary, Error::WrongVoucher);
            return Ok(found);
        }
        let keys: [&[u8]; 2] = [beneficiary.as_array(), &[]];
        let (made, bump) = place.create::<Self>(pool, Self::SEED, keys, Error::WrongVoucher)?;
        made.account = *beneficiary;
        made.bump = bump;
        Ok(made)
    }
}
