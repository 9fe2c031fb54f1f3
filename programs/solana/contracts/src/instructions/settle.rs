// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, AgreementSettled},
    state::{Agreement, Status},
    Error,
};
use kit::{check, sysvar};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] Anyone.
    actor,
    /// [writable] The agreement.
    agreement,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

/// Writes what each party is owed.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    check!(data.is_empty(), kit::Error::InvalidInstruction);
    check!(a.actor.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let agreement = Agreement::load(a.agreement)?;

    let now = sysvar::now()?;
    let nothing = agreement.delivered.get() == 0;
    let ready = if agreement.is(Status::Active) {
        let answered = agreement.finished_at(now).is_some_and(|at| now > agreement.answer_by(at));
        agreement.accepted.get() || answered || nothing && now > agreement.deliver_by.get()
    } else {
        check!(agreement.is(Status::Disputed), Error::WrongStatus);
        agreement.ruled.get() || now > agreement.rule_by.get()
    };
    check!(ready, Error::TooEarly);
    let priced = !agreement.has_feed() || nothing || agreement.price_fixed.get();
    check!(priced, Error::PriceNotFixed);

    agreement.owe()?;
    agreement.status = Status::Settled as u8;
    let seq = agreement.next_seq()?;

    AgreementSettled {
        agreement: a.agreement.address(),
        seq,
        actor: a.actor.address(),
        owed_seller: agreement.owed_seller.get(),
        owed_buyer: agreement.owed_buyer.get(),
        status_after: agreement.status,
    }
    .emit(a.event_authority);
    Ok(())
}
