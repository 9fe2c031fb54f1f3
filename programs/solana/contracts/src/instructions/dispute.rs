// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, DisputeOpened},
    state::{Agreement, Status},
    Error,
};
use kit::{check, sysvar};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] The buyer or the seller.
    party,
    /// [writable] The agreement.
    agreement,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    reason: [u8; 32],
}

/// A party takes the delivery to the arbiter.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.party.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let agreement = Agreement::load(a.agreement)?;

    let now = sysvar::now()?;
    check!(agreement.is_party(a.party.address()), Error::NotParty);
    check!(agreement.is(Status::Active), Error::WrongStatus);
    let finished_at = agreement.finished_at(now).ok_or(Error::TooEarly)?;
    check!(agreement.delivered.get() > 0, Error::NothingDelivered);
    check!(!agreement.accepted.get(), Error::AlreadyAccepted);
    check!(now <= agreement.answer_by(finished_at), Error::TooLate);

    agreement.status = Status::Disputed as u8;
    let seq = agreement.step()?;

    DisputeOpened {
        agreement: a.agreement.address(),
        seq,
        actor: a.party.address(),
        reason: args.reason,
        status_after: agreement.status,
    }
    .emit(a.event_authority);
    Ok(())
}
