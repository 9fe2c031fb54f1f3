// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, Announced},
    state::{check_role, Role, Scope},
    Error,
};
use kit::{
    borsh::{Text, MAX_TEXT},
    check,
};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] An admin of the scope.
    admin,
    /// [writable] The scope.
    scope,
    /// [] PDA `["grant", scope, admin, 0]`.
    admin_grant,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    digest: [u8; 32],
    cid: Text,
    title: Text,
}

/// An admin says something to everybody in the scope.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.admin.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let scope = Scope::load(a.scope)?;

    let admin = a.admin.address();
    check_role(a.admin_grant, a.scope.address(), admin, Role::Admin, Error::NotAdmin)?;
    check!(args.cid.len() + args.title.len() <= MAX_TEXT, kit::Error::TextTooLong);

    let seq = scope.seq.add(1)?;
    Announced {
        scope: a.scope.address(),
        seq,
        actor: admin,
        digest: args.digest,
        cid: args.cid,
        title: args.title,
    }
    .emit(a.event_authority);
    Ok(())
}
