// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, DeliveryAccepted},
    state::{Agreement, Status},
    Error,
};
use kit::{check, sysvar};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] The buyer.
    buyer,
    /// [writable] The agreement.
    agreement,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

/// The buyer accepts the delivery.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    check!(data.is_empty(), kit::Error::InvalidInstruction);
    check!(a.buyer.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let agreement = Agreement::load(a.agreement)?;

    check!(a.buyer.address() == &agreement.buyer, Error::NotBuyer);
    check!(agreement.is(Status::Active), Error::WrongStatus);
    check!(agreement.finished_at(sysvar::now()?).is_some(), Error::TooEarly);
    check!(agreement.delivered.get() > 0, Error::NothingDelivered);
    check!(!agreement.accepted.get(), Error::AlreadyAccepted);

    agreement.accepted.set(true);
    let seq = agreement.step()?;

    DeliveryAccepted {
        agreement: a.agreement.address(),
        seq,
        actor: a.buyer.address(),
        delivered: agreement.delivered.get(),
    }
    .emit(a.event_authority);
    Ok(())
}
