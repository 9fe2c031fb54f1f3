// SPDX-License-Identifier: Apache-2.0
use crate::{
    state::{Agreement, Status},
    Error,
};
use kit::{
    account, check,
    token::{self, check_token_owner, check_token_program},
};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [writable] An agreement that owes nothing any more.
    agreement,
    /// [writable] PDA `["vault", agreement]`.
    vault,
    /// [writable] A token account that the buyer owns; not looked at when the vault is empty.
    destination,
    /// [writable] Who paid the agreement's rent.
    rent_payer,
    /// [] Classic SPL Token.
    token_program,
}

/// Gives the rent of an ended agreement back to who paid it; anyone may. No event: the agreement
/// has said everything.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    check!(data.is_empty(), kit::Error::InvalidInstruction);
    check_token_program(a.token_program)?;
    let agreement = Agreement::load(a.agreement)?;
    check!(a.vault.address() == &agreement.vault, kit::Error::WrongVault);
    check!(a.rent_payer.address() == &agreement.rent_payer, kit::Error::WrongRentPayer);

    check!(agreement.status >= Status::Settled as u8, Error::WrongStatus);
    check!(agreement.owed_seller.get() == 0, Error::MoneyLeft);
    check!(agreement.owed_buyer.get() == 0, Error::MoneyLeft);

    let bump = [agreement.bump];
    let seeds = agreement.seeds(&bump);
    let donated = token::balance(a.vault);
    if donated > 0 {
        check_token_owner(a.destination, &agreement.buyer)?;
        token::pay(a.vault, a.destination, a.agreement, donated, &seeds)?;
    }
    token::close_vault(a.vault, a.rent_payer, a.agreement, &seeds)?;
    account::close(a.agreement, a.rent_payer)
}
