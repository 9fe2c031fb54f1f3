// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::check_events,
    state::{Agreement, Status},
    Error, ID,
};
use kit::{check, ed25519, sysvar};
use pinocchio::{AccountView, ProgramResult};

/// What the counterparty signs: this, the program, the agreement, its terms, the deadline
/// (i64 le).
const PREFIX: &[u8; 24] = b"chainfold contracts sign";

kit::accounts! {
    /// [signer] Anyone.
    actor,
    /// [writable] The agreement.
    agreement,
    /// [] Instructions sysvar; the ed25519 instruction stands right before this one.
    instructions,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    deadline: i64,
}

/// Anyone submits the counterparty's signature.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.actor.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let agreement = Agreement::load(a.agreement)?;

    let now = sysvar::now()?;
    check!(agreement.is(Status::PendingSignature), Error::WrongStatus);
    check!(now <= agreement.sign_by.get(), Error::TooLate);
    check!(now <= args.deadline, Error::SignatureExpired);
    let mut message = [0; 128];
    message[..24].copy_from_slice(PREFIX);
    message[24..56].copy_from_slice(ID.as_array());
    message[56..88].copy_from_slice(a.agreement.address().as_array());
    message[88..120].copy_from_slice(&agreement.terms);
    message[120..].copy_from_slice(&args.deadline.to_le_bytes());
    let signer = agreement.counterparty();
    check!(ed25519::is_signed(a.instructions, signer, &message), Error::InvalidSignature);

    agreement.sign(a.agreement, a.actor.address(), a.event_authority)
}
