// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, RecordVisibilitySet},
    state::{Record, Status, VISIBILITIES},
    Error,
};
use kit::check;
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] The record's owner.
    owner,
    /// [writable] The record.
    record,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    visibility: u8,
}

/// The owner shows a record or hides it.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.owner.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let record = Record::load(a.record)?;

    check!(a.owner.address() == &record.owner, Error::NotOwner);
    check!(record.is(Status::Active), Error::WrongStatus);
    check!(args.visibility < VISIBILITIES, Error::InvalidVisibility);

    record.visibility = args.visibility;
    let seq = record.seq.add(1)?;
    RecordVisibilitySet {
        record: a.record.address(),
        seq,
        actor: a.owner.address(),
        visibility_after: args.visibility,
    }
    .emit(a.event_authority);
    Ok(())
}
