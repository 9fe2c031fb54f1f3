// SPDX-License-Identifier: Apache-2.0
use crate::{state::Pool, Error};
use kit::{
    account, check, sysvar,
    token::{self, check_token_owner, check_token_program},
};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [writable] A pool that has ended, all of whose parts are closed.
    pool,
    /// [writable] PDA `["vault", pool]`.
    vault,
    /// [writable] A token account that the operator owns; not looked at when the vault is empty.
    destination,
    /// [writable] Who paid the pool's rent.
    rent_payer,
    /// [] Classic SPL Token.
    token_program,
}

/// Gives the rent of an ended pool back to who paid it; anyone may. No event: the pool has said
/// everything (P-18).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    check!(data.is_empty(), kit::Error::InvalidInstruction);
    check_token_program(a.token_program)?;
    let pool = Pool::load(a.pool)?;
    check!(a.vault.address() == &pool.vault, kit::Error::WrongVault);
    check!(a.rent_payer.address() == &pool.rent_payer, kit::Error::WrongRentPayer);

    check!(pool.has_ended(sysvar::now()?), Error::TooEarly);
    check!(pool.parts.get() == 0, Error::PartsLeft);

    let bump = [pool.bump];
    let seeds = pool.seeds(&bump);
    let donated = token::balance(a.vault);
    if donated > 0 {
        check_token_owner(a.destination, &pool.operator)?;
        token::pay(a.vault, a.destination, a.pool, donated, &seeds)?;
    }
    token::close_vault(a.vault, a.rent_payer, a.pool, &seeds)?;
    account::close(a.pool, a.rent_payer)
}
