// SPDX-License-Identifier: Apache-2.0
//! The classic SPL Token program: vaults and payments (G-2, G-8, G-14).
use crate::{
    account::{self, Payer},
    Error,
};
use pinocchio::{
    cpi::{Seed, Signer},
    error::ProgramError,
    AccountView, Address, ProgramResult,
};
use pinocchio_token::{
    instructions::{CloseAccount, InitializeAccount3, Transfer},
    state::Account,
};

pub const TOKEN: Address = pinocchio_token::ID;
const VAULT_SEED: &[u8] = b"vault";
const MINT_LEN: usize = 82;
const MINT_IS_INITIALIZED: usize = 45;

#[inline(always)]
pub fn check_token_program(account: &AccountView) -> ProgramResult {
    check!(account.address() == &TOKEN, Error::WrongTokenProgram);
    Ok(())
}

/// An initialised mint of the classic token program.
#[inline(always)]
pub fn check_mint(mint: &AccountView) -> ProgramResult {
    check!(mint.owned_by(&TOKEN), Error::InvalidToken);
    check!(mint.data_len() == MINT_LEN, Error::InvalidToken);
    // SAFETY: nothing borrows the mint's data, and it has MINT_LEN bytes.
    check!(unsafe { mint.borrow_unchecked() }[MINT_IS_INITIALIZED] == 1, Error::InvalidToken);
    Ok(())
}

/// A token account that `owner` owns. That it is of the vault's mint, and not frozen, is left to
/// the transfer.
#[inline(always)]
pub fn check_token_owner(account: &AccountView, owner: &Address) -> ProgramResult {
    check!(account.owned_by(&TOKEN), Error::WrongTokenAccount);
    check!(account.data_len() == Account::LEN, Error::WrongTokenAccount);
    check!(view(account).owner() == owner, Error::WrongTokenAccount);
    Ok(())
}

/// Tokens in `vault`, which is known to be a token account.
#[inline(always)]
pub fn balance(vault: &AccountView) -> u64 {
    view(vault).amount()
}

#[inline(always)]
fn view(account: &AccountView) -> &Account {
    // SAFETY: callers know that the account is a token account, hence its length; programs hold
    // no reference into it.
    unsafe { Account::from_bytes_unchecked(account.borrow_unchecked()) }
}

/// Makes the vault of `owner`: the token account at `program`'s PDA `["vault", owner]`.
#[inline(always)]
pub fn create_vault(
    payer: &Payer,
    vault: &AccountView,
    mint: &AccountView,
    owner: &Address,
    program: &Address,
) -> ProgramResult {
    let seeds = [VAULT_SEED, owner.as_array()];
    let derived = (seeds, program);
    account::allocate(payer, vault, Account::LEN, &TOKEN, derived, Error::WrongVault)?;
    InitializeAccount3::new(vault, mint, owner).invoke()
}

/// Moves tokens on the signature of the transaction's signer.
#[inline(always)]
pub fn transfer(
    from: &AccountView,
    to: &AccountView,
    authority: &AccountView,
    amount: u64,
) -> ProgramResult {
    Transfer::new(from, to, authority, amount).invoke()
}

/// Moves tokens out of a vault on the signature of its owner, the PDA of `seeds`.
#[inline(always)]
pub fn pay(
    vault: &AccountView,
    to: &AccountView,
    owner: &AccountView,
    amount: u64,
    seeds: &[Seed],
) -> Result<(), ProgramError> {
    Transfer::new(vault, to, owner, amount).invoke_signed(&[Signer::from(seeds)])
}

/// Closes an empty vault; its lamports go to `rent_payer`.
#[inline(always)]
pub fn close_vault(
    vault: &AccountView,
    rent_payer: &AccountView,
    owner: &AccountView,
    seeds: &[Seed],
) -> ProgramResult {
    CloseAccount::new(vault, rent_payer, owner).invoke_signed(&[Signer::from(seeds)])
}
