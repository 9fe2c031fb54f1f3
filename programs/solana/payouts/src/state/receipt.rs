// SPDX-License-Identifier: Apache-2.0
use super::{
    part::{OfPool, Place},
    Pool,
};
use crate::{Error, ID};
use kit::{account, check, int::U64};
use pinocchio::{error::ProgramError, AccountView, Address};

/// What one funder has paid in. PDA `["receipt", pool, funder]`.
#[repr(C)]
pub struct Receipt {
    discriminator: [u8; 8],
    pub pool: Address,
    pub rent_payer: Address,
    pub funder: Address,
    pub amount: U64,
    pub bump: u8,
}
kit::state!(Receipt, 113, ID);
// SAFETY: pool and rent_payer come first.
unsafe impl OfPool for Receipt {}

impl Receipt {
    pub const SEED: &'static [u8] = b"receipt";

    /// A receipt of `pool`.
    #[inline(always)]
    pub fn load<'a>(
        account: &'a AccountView,
        pool: &Address,
    ) -> Result<&'a mut Self, ProgramError> {
        let receipt = account::load::<Self>(account, Error::WrongReceipt)?;
        check!(&receipt.pool == pool, Error::WrongReceipt);
        Ok(receipt)
    }

    /// Adds to what the pool has and to the funder's receipt, which is made when it is not there
    /// (P-5); the sums of both.
    #[inline(always)]
    pub fn credit(
        place: &Place,
        pool: &mut Pool,
        funder: &Address,
        amount: u64,
    ) -> Result<(u64, u64), ProgramError> {
        let receipt = if place.account.owned_by(&ID) {
            let receipt = Self::load(place.account, place.pool.address())?;
            check!(&receipt.funder == funder, Error::WrongReceipt);
            receipt
        } else {
            let keys: [&[u8]; 2] = [funder.as_array(), &[]];
            let (receipt, bump) =
                place.create::<Self>(pool, Self::SEED, keys, Error::WrongReceipt)?;
            receipt.funder = *funder;
            receipt.bump = bump;
            receipt
        };
        let funded_after = pool.funded.add(amount)?;
        let receipt_after = receipt.amount.add(amount)?;
        Ok((receipt_after, funded_after))
    }
}
