// SPDX-License-Identifier: Apache-2.0
use crate::{Error, ID};
use kit::{
    account::{self, Payer},
    check,
};
use pinocchio::{error::ProgramError, AccountView, Address, ProgramResult};

/// Roles: 0 admin, 1 operator, 2 resolver, 3 arbiter, 4 kyc_issuer, 5 vendor. People who receive
/// aid are none of these: they are leaves of a Merkle root.
pub const ROLES: u8 = 6;

/// The roles that this program itself asks for.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Admin = 0,
    KycIssuer = 4,
}

/// A role that an account holds. PDA `["grant", scope, account, role]`; there is one as long as
/// the role is held.
#[repr(C)]
pub struct Grant {
    discriminator: [u8; 8],
    pub scope: Address,
    pub account: Address,
    pub rent_payer: Address,
    pub role: u8,
    pub bump: u8,
}
kit::state!(Grant, 106, ID);

impl Grant {
    pub const SEED: &'static [u8] = b"grant";

    /// The grant in `account`, or `error` when it is none.
    #[inline(always)]
    pub fn load(account: &AccountView, error: Error) -> Result<&mut Self, ProgramError> {
        account::load(account, error)
    }

    #[inline(always)]
    pub fn create(
        payer: &Payer,
        account: &AccountView,
        scope: &Address,
        holder: &Address,
        role: u8,
    ) -> ProgramResult {
        check!(!account.owned_by(&ID), Error::AlreadyGranted);
        let seeds = [Self::SEED, scope.as_array(), holder.as_array(), &[role]];
        let (grant, bump) = account::create::<Self, 4>(payer, account, seeds, Error::WrongGrant)?;
        grant.scope = *scope;
        grant.account = *holder;
        grant.rent_payer = *payer.address();
        grant.role = role;
        grant.bump = bump;
        Ok(())
    }
}

/// `holder` has `role` in `scope`: `account` is the grant that says so; else `error`.
#[inline(always)]
pub fn check_role(
    account: &AccountView,
    scope: &Address,
    holder: &Address,
    role: Role,
    error: Error,
) -> ProgramResult {
    let grant = Grant::load(account, error)?;
    check!(&grant.scope == scope, error);
    check!(&grant.account == holder, error);
    check!(grant.role == role as u8, error);
    Ok(())
}
