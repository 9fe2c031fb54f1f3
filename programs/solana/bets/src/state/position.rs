// SPDX-License-Identifier: Apache-2.0
use crate::{Error, ID};
use kit::{
    account::{self, Payer},
    check,
    int::{Bool, U64},
};
use pinocchio::{error::ProgramError, AccountView, Address};

/// One bettor's stake on one outcome. PDA `["position", market, bettor, outcome]`.
#[repr(C)]
pub struct Position {
    discriminator: [u8; 8],
    pub market: Address,
    pub bettor: Address,
    pub rent_payer: Address,
    pub stake: U64,
    pub outcome: u8,
    pub claimed: Bool,
    pub bump: u8,
}
kit::state!(Position, 115, ID);

impl Position {
    pub const SEED: &'static [u8] = b"position";

    /// A position of `market`.
    #[inline(always)]
    pub fn load<'a>(
        account: &'a AccountView,
        market: &Address,
    ) -> Result<&'a mut Self, ProgramError> {
        let position = account::load::<Self>(account, Error::WrongPosition)?;
        check!(&position.market == market, Error::WrongPosition);
        Ok(position)
    }

    /// An empty position at its canonical address.
    pub fn create<'a>(
        payer: &Payer,
        account: &'a AccountView,
        market: &Address,
        bettor: &Address,
        outcome: u8,
    ) -> Result<&'a mut Self, ProgramError> {
        let index = [outcome];
        let seeds = [Self::SEED, market.as_array(), bettor.as_array(), &index];
        let (position, bump) =
            account::create::<Self, 4>(payer, account, seeds, Error::WrongPosition)?;
        position.market = *market;
        position.bettor = *bettor;
        position.rent_payer = *payer.address();
        position.outcome = outcome;
        position.bump = bump;
        Ok(position)
    }
}
