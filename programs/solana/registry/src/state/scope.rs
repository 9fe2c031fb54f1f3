// SPDX-License-Identifier: Apache-2.0
use super::{Grant, NONE};
use crate::{
    event::{RoleGranted, ScopeOpened},
    state::Role,
    Error, ID,
};
use kit::{
    account::{self, Payer},
    int::{U32, U64},
};
use pinocchio::{error::ProgramError, AccountView, Address};

#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Global = 0,
    Project = 1,
}

/// Within what a role holds. PDA `["scope", creator, nonce]`; the global scope's creator and nonce
/// are zero.
#[repr(C)]
pub struct Scope {
    discriminator: [u8; 8],
    pub creator: Address,
    pub nonce: U64,
    /// What it is for: a project's id.
    pub subject: [u8; 32],
    /// Of the last event.
    pub seq: U64,
    /// Accounts that hold the role admin.
    pub admins: U32,
    pub kind: u8,
    pub bump: u8,
}
kit::state!(Scope, 94, ID);

impl Scope {
    pub const SEED: &'static [u8] = b"scope";

    #[inline(always)]
    pub fn load(account: &AccountView) -> Result<&mut Self, ProgramError> {
        account::load(account, Error::WrongScope)
    }

    /// Makes the scope and its first admin, and says so.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    pub fn open(
        payer: &Payer,
        account: &AccountView,
        creator: &Address,
        nonce: U64,
        subject: &[u8; 32],
        grant: &AccountView,
        admin: &Address,
        actor: &Address,
        event_authority: &AccountView,
    ) -> Result<(), ProgramError> {
        let seeds = [Self::SEED, creator.as_array(), nonce.as_bytes()];
        let (scope, bump) = account::create::<Self, 3>(payer, account, seeds, Error::WrongScope)?;
        let kind = if creator == &NONE { Kind::Global } else { Kind::Project };
        scope.creator = *creator;
        scope.nonce = nonce;
        scope.subject = *subject;
        scope.kind = kind as u8;
        scope.bump = bump;
        let seq = scope.seq.add(1)?;
        ScopeOpened {
            scope: account.address(),
            seq,
            actor,
            nonce: nonce.get(),
            kind: scope.kind,
            subject,
        }
        .emit(event_authority);
        scope.grant(payer, account, grant, admin, Role::Admin as u8, actor, event_authority)
    }

    /// Makes the grant of `role` to `holder`, and says so.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    pub fn grant(
        &mut self,
        payer: &Payer,
        account: &AccountView,
        grant: &AccountView,
        holder: &Address,
        role: u8,
        actor: &Address,
        event_authority: &AccountView,
    ) -> Result<(), ProgramError> {
        Grant::create(payer, grant, account.address(), holder, role)?;
        if role == Role::Admin as u8 {
            self.admins.set(self.admins.get() + 1);
        }
        let seq = self.seq.add(1)?;
        RoleGranted {
            scope: account.address(),
            seq,
            actor,
            account: holder,
            role,
            held_after: true,
            admins_after: self.admins.get(),
        }
        .emit(event_authority);
        Ok(())
    }
}
