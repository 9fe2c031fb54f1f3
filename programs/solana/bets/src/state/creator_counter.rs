// SPDX-License-Identifier: Apache-2.0
use crate::ID;
use kit::{account, address, check, int::U64, Error};
use pinocchio::{cpi::Seed, error::ProgramError, AccountView, Address};

/// The nonce of a creator's next market, which keeps ids from being used twice (G-3).
/// PDA `["creator", creator]`, kept for ever.
#[repr(C)]
pub struct CreatorCounter {
    discriminator: [u8; 8],
    pub creator: Address,
    pub next_nonce: U64,
    pub bump: u8,
}
kit::state!(CreatorCounter, 49, ID);

impl CreatorCounter {
    pub const SEED: &'static [u8] = b"creator";

    /// The creator's counter; made by the creator's first market.
    pub fn load_or_create<'a>(
        payer: &AccountView,
        account: &'a AccountView,
        creator: &Address,
    ) -> Result<&'a mut Self, ProgramError> {
        if account.owned_by(&ID) {
            let counter = account::load::<Self>(account, Error::WrongCreatorCounter)?;
            check!(&counter.creator == creator, Error::WrongCreatorCounter);
            return Ok(counter);
        }
        let seeds = [Self::SEED, creator.as_array()];
        let bump = [address::bump_of(&seeds, &ID, account, Error::WrongCreatorCounter)?];
        let counter: &mut Self = account::create(
            payer,
            account,
            &[Seed::from(Self::SEED), Seed::from(creator.as_array()), Seed::from(&bump)],
        )?;
        counter.creator = *creator;
        counter.bump = bump[0];
        Ok(counter)
    }
}
