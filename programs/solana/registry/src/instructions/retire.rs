// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, RecordRetired},
    state::{Record, Status},
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

/// The owner is done with a record, for ever.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    check!(data.is_empty(), kit::Error::InvalidInstruction);
    check!(a.owner.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let record = Record::load(a.record)?;

    check!(a.owner.address() == &record.owner, Error::NotOwner);
    check!(record.is(Status::Active), Error::WrongStatus);

    record.status = Status::Retired as u8;
    let seq = record.seq.add(1)?;
    RecordRetired {
        record: a.record.address(),
        seq,
        actor: a.owner.address(),
        status_after: record.status,
    }
    .emit(a.event_authority);
    Ok(())
}
