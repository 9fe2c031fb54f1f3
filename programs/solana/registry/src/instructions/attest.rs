// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, AttestationIssued},
    state::{check_role, count, Attestation, Role, NONE},
    Error,
};
use kit::{
    account::{self, check_system_program, Payer},
    check, sysvar,
};
use pinocchio::{AccountView, Address, ProgramResult};

kit::accounts! {
    /// [signer] A KYC issuer of the scope.
    issuer,
    /// [signer, writable] Pays the rent of what is created.
    payer,
    /// [writable] PDA `["counter"]`.
    counter,
    /// [writable] PDA `["creator", issuer]`.
    creator_counter,
    /// [writable] PDA `["attestation", issuer, nonce]`, nonce being the creator counter's.
    attestation,
    /// [] PDA `["grant", scope, issuer, 4]`.
    issuer_grant,
    /// [] System program.
    system_program,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    scope: Address,
    subject: Address,
    kind: u16,
    digest: [u8; 32],
    expires_at: i64,
}

/// An issuer attests something of a subject.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.issuer.is_signer(), kit::Error::NotSigner);
    check!(a.payer.is_signer(), kit::Error::NotSigner);
    check_system_program(a.system_program)?;
    check_events(a.event_authority, a.program)?;

    let issuer = a.issuer.address();
    check_role(a.issuer_grant, args.scope, issuer, Role::KycIssuer, Error::NotIssuer)?;
    check!(args.subject != &NONE, kit::Error::ZeroAddress);
    check!(sysvar::now()? < args.expires_at, Error::InvalidExpiry);

    let payer = Payer::new(a.payer);
    let nonce = count(&payer, a.counter, a.creator_counter, issuer)?;
    let seeds = [Attestation::SEED, issuer.as_array(), nonce.as_bytes()];
    let (attestation, bump) =
        account::create::<Attestation, 3>(&payer, a.attestation, seeds, Error::WrongAttestation)?;
    attestation.issuer = *issuer;
    attestation.nonce = nonce;
    attestation.scope = *args.scope;
    attestation.subject = *args.subject;
    attestation.digest = *args.digest;
    attestation.expires_at = args.expires_at.into();
    attestation.kind = args.kind.into();
    attestation.bump = bump;
    let seq = attestation.seq.add(1)?;

    AttestationIssued {
        attestation: a.attestation.address(),
        seq,
        actor: issuer,
        nonce: nonce.get(),
        scope: args.scope,
        subject: args.subject,
        kind: args.kind,
        digest: args.digest,
        expires_at: args.expires_at,
    }
    .emit(a.event_authority);
    Ok(())
}
