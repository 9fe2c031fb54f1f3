// SPDX-License-Identifier: Apache-2.0
use crate::{
    state::{Part, Pool},
    Error,
};
use kit::{account, check, sysvar};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [writable] A pool that has ended.
    pool,
    /// [writable] A page, entry, vendor or voucher of the pool.
    part,
    /// [writable] Who paid the part's rent.
    rent_payer,
}

/// Gives the rent of what an ended pool needs no more back to who paid it; anyone may. No event:
/// the pool's own say everything (P-17).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    check!(data.is_empty(), kit::Error::InvalidInstruction);
    let pool = Pool::load(a.pool)?;
    let part = Part::load(a.part, a.pool.address())?;
    check!(a.rent_payer.address() == &part.rent_payer, kit::Error::WrongRentPayer);

    check!(pool.has_ended(sysvar::now()?), Error::TooEarly);

    pool.parts.sub(1)?;
    account::close(a.part, a.rent_payer)
}
