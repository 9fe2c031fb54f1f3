// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, DeliveryRecorded},
    state::{Agreement, Status},
    Error,
};
use kit::{check, sysvar};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] The seller.
    seller,
    /// [writable] The agreement.
    agreement,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    quantity: u64,
    evidence: [u8; 32],
}

/// The seller records what was delivered.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.seller.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let agreement = Agreement::load(a.agreement)?;

    let now = sysvar::now()?;
    check!(a.seller.address() == &agreement.seller, Error::NotSeller);
    check!(agreement.is(Status::Active), Error::WrongStatus);
    check!(now <= agreement.deliver_by.get(), Error::TooLate);
    check!(args.quantity > 0, kit::Error::ZeroAmount);
    let delivered = agreement.delivered.get().saturating_add(args.quantity);
    check!(delivered <= agreement.quantity.get(), Error::TooMuch);

    agreement.delivered.set(delivered);
    agreement.delivered_at.set(now);
    let seq = agreement.step()?;

    DeliveryRecorded {
        agreement: a.agreement.address(),
        seq,
        actor: a.seller.address(),
        quantity: args.quantity,
        evidence: args.evidence,
        delivered_after: delivered,
    }
    .emit(a.event_authority);
    Ok(())
}
