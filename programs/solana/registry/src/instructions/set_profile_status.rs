// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, ProfileStatusSet},
    state::{check_role, Profile, Role, STATUSES},
    Error, GLOBAL_SCOPE,
};
use kit::check;
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] An admin of the global scope.
    admin,
    /// [] PDA `["grant", global scope, admin, 0]`.
    admin_grant,
    /// [writable] The profile.
    profile,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    status: u8,
}

/// A global admin says what a profile is worth.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.admin.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let profile = Profile::load(a.profile)?;

    let admin = a.admin.address();
    check_role(a.admin_grant, &GLOBAL_SCOPE, admin, Role::Admin, Error::NotAdmin)?;
    check!(args.status < STATUSES, Error::InvalidStatus);

    profile.status = args.status;
    let seq = profile.seq.add(1)?;
    ProfileStatusSet { profile: &profile.wallet, seq, actor: admin, status_after: args.status }
        .emit(a.event_authority);
    Ok(())
}
