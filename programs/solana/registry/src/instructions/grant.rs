// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::check_events,
    state::{check_role, Role, Scope, NONE, ROLES},
    Error,
};
use kit::{
    account::{check_system_program, Payer},
    check,
};
use pinocchio::{AccountView, Address, ProgramResult};

kit::accounts! {
    /// [signer] An admin of the scope.
    admin,
    /// [signer, writable] Pays the rent of what is created.
    payer,
    /// [writable] The scope.
    scope,
    /// [] PDA `["grant", scope, admin, 0]`.
    admin_grant,
    /// [writable] PDA `["grant", scope, account, role]`.
    grant,
    /// [] System program.
    system_program,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    account: Address,
    role: u8,
}

/// An admin gives an account a role in the admin's scope.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.admin.is_signer(), kit::Error::NotSigner);
    check!(a.payer.is_signer(), kit::Error::NotSigner);
    check_system_program(a.system_program)?;
    check_events(a.event_authority, a.program)?;
    let scope = Scope::load(a.scope)?;

    let admin = a.admin.address();
    check_role(a.admin_grant, a.scope.address(), admin, Role::Admin, Error::NotAdmin)?;
    check!(args.role < ROLES, Error::InvalidRole);
    check!(args.account != &NONE, kit::Error::ZeroAddress);

    let payer = Payer::new(a.payer);
    scope.grant(&payer, a.scope, a.grant, args.account, args.role, admin, a.event_authority)
}
