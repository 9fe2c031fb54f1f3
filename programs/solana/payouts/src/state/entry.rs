// SPDX-License-Identifier: Apache-2.0
use super::{
    part::{OfPool, Place},
    Pool,
};
use crate::{Error, ID};
use pinocchio::{error::ProgramError, Address};

/// That somebody entered a record. PDA `["entry", pool, entrant, record]`.
#[repr(C)]
pub struct Entry {
    discriminator: [u8; 8],
    pub pool: Address,
    pub rent_payer: Address,
    pub entrant: Address,
    pub record: [u8; 32],
    pub bump: u8,
}
kit::state!(Entry, 137, ID);
// SAFETY: pool and rent_payer come first.
unsafe impl OfPool for Entry {}

impl Entry {
    pub const SEED: &'static [u8] = b"entry";

    #[inline(always)]
    pub fn create(
        place: &Place,
        pool: &mut Pool,
        entrant: &Address,
        record: &[u8; 32],
    ) -> Result<(), ProgramError> {
        let keys: [&[u8]; 2] = [entrant.as_array(), record];
        let (entry, bump) = place.create::<Self>(pool, Self::SEED, keys, Error::WrongEntry)?;
        entry.entrant = *entrant;
        entry.record = *record;
        entry.bump = bump;
        Ok(())
    }
}
