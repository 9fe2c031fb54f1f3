// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, AttestationRevoked},
    state::{check_role, Attestation, Role},
    Error,
};
use kit::check;
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] The attestation's issuer, or an admin of its scope.
    actor,
    /// [writable] The attestation.
    attestation,
    /// [] PDA `["grant", scope, actor, 0]`; of the issuer nothing is read.
    admin_grant,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

/// The issuer, or an admin of the scope, takes an attestation back.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    check!(data.is_empty(), kit::Error::InvalidInstruction);
    check!(a.actor.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let attestation = Attestation::load(a.attestation)?;

    let actor = a.actor.address();
    if actor != &attestation.issuer {
        let scope = &attestation.scope;
        check_role(a.admin_grant, scope, actor, Role::Admin, Error::NotIssuer)?;
    }
    check!(!attestation.revoked.get(), Error::AlreadyRevoked);

    attestation.revoked.set(true);
    let seq = attestation.seq.add(1)?;
    AttestationRevoked { attestation: a.attestation.address(), seq, actor }.emit(a.event_authority);
    Ok(())
}
