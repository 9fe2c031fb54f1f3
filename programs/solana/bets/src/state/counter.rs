// SPDX-License-Identifier: Apache-2.0
use crate::ID;
use kit::{account, address, int::U64, Error};
use pinocchio::{cpi::Seed, error::ProgramError, AccountView};

/// How many markets the program has opened (G-4). PDA `["counter"]`, kept for ever.
#[repr(C)]
pub struct Counter {
    discriminator: [u8; 8],
    pub markets: U64,
    pub bump: u8,
}
kit::state!(Counter, 17, ID);

impl Counter {
    pub const SEED: &'static [u8] = b"counter";

    /// The counter; made by the first market.
    pub fn load_or_create<'a>(
        payer: &AccountView,
        account: &'a AccountView,
    ) -> Result<&'a mut Self, ProgramError> {
        if account.owned_by(&ID) {
            return account::load::<Self>(account, Error::WrongCounter);
        }
        let bump = [address::bump_of(&[Self::SEED], &ID, account, Error::WrongCounter)?];
        let counter: &mut Self =
            account::create(payer, account, &[Seed::from(Self::SEED), Seed::from(&bump)])?;
        counter.bump = bump[0];
        Ok(counter)
    }
}
