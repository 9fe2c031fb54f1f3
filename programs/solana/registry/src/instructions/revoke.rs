// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, RoleRevoked},
    state::{check_role, Grant, Role, Scope},
    Error,
};
use kit::{account, check};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] An admin of the scope.
    admin,
    /// [writable] The scope.
    scope,
    /// [] PDA `["grant", scope, admin, 0]`.
    admin_grant,
    /// [writable] The grant that ends; it may be the admin's own.
    grant,
    /// [writable] Who paid the grant's rent.
    rent_payer,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

/// An admin takes a role of the admin's scope away.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    check!(data.is_empty(), kit::Error::InvalidInstruction);
    check!(a.admin.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let scope = Scope::load(a.scope)?;

    let admin = a.admin.address();
    check_role(a.admin_grant, a.scope.address(), admin, Role::Admin, Error::NotAdmin)?;
    let grant = Grant::load(a.grant, Error::NotGranted)?;
    check!(&grant.scope == a.scope.address(), Error::NotGranted);
    check!(a.rent_payer.address() == &grant.rent_payer, kit::Error::WrongRentPayer);
    if grant.role == Role::Admin as u8 {
        check!(scope.admins.get() > 1, Error::LastAdmin);
        scope.admins.set(scope.admins.get() - 1);
    }
    let seq = scope.seq.add(1)?;

    RoleRevoked {
        scope: a.scope.address(),
        seq,
        actor: admin,
        account: &grant.account,
        role: grant.role,
        held_after: false,
        admins_after: scope.admins.get(),
    }
    .emit(a.event_authority);
    account::close(a.grant, a.rent_payer)
}
