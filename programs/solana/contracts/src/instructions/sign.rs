// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::check_events,
    state::{Agreement, Status},
    Error,
};
use kit::{check, sysvar};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] The party that did not propose.
    signer,
    /// [writable] The agreement.
    agreement,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

/// The counterparty signs.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    check!(data.is_empty(), kit::Error::InvalidInstruction);
    check!(a.signer.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let agreement = Agreement::load(a.agreement)?;

    check!(a.signer.address() == agreement.counterparty(), Error::NotCounterparty);
    check!(agreement.is(Status::PendingSignature), Error::WrongStatus);
    check!(sysvar::now()? <= agreement.sign_by.get(), Error::TooLate);

    agreement.sign(a.agreement, a.signer.address(), a.event_authority)
}
