// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, CancelRequested},
    state::{Agreement, Status},
    Error,
};
use kit::{check, sysvar};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] A party; anyone once a signature or the funds are overdue.
    actor,
    /// [writable] The agreement.
    agreement,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

/// Ends an agreement before its settlement.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    check!(data.is_empty(), kit::Error::InvalidInstruction);
    check!(a.actor.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let agreement = Agreement::load(a.agreement)?;

    let now = sysvar::now()?;
    let actor = a.actor.address();
    let pending = agreement.is(Status::PendingSignature);
    let overdue = pending && now > agreement.sign_by.get()
        || agreement.is(Status::Signed) && now > agreement.fund_by.get();
    check!(overdue || agreement.is_party(actor), Error::NotParty);
    check!(agreement.status < Status::Settled as u8, Error::WrongStatus);
    if overdue || pending {
        return agreement.cancel(a.agreement, actor, a.event_authority);
    }
    let sells = actor == &agreement.seller;
    let asked = if sells { agreement.seller_cancels } else { agreement.buyer_cancels };
    check!(!asked.get(), Error::AlreadyRequested);

    if sells {
        agreement.seller_cancels.set(true);
    } else {
        agreement.buyer_cancels.set(true);
    }
    let seq = agreement.next_seq()?;

    CancelRequested { agreement: a.agreement.address(), seq, actor }.emit(a.event_authority);
    if agreement.seller_cancels.get() && agreement.buyer_cancels.get() {
        return agreement.cancel(a.agreement, actor, a.event_authority);
    }
    Ok(())
}
