// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, RecordUpdated},
    state::{Record, Status, Tags},
    Error,
};
use kit::{
    borsh::{Text, MAX_TEXT},
    check,
};
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
    digest: [u8; 32],
    wistia: [u8; 32],
    cid: Text,
    title: Text,
    tags: Tags,
}

/// The owner replaces what a record says.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.owner.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let record = Record::load(a.record)?;

    check!(a.owner.address() == &record.owner, Error::NotOwner);
    check!(record.is(Status::Active), Error::WrongStatus);
    check!(args.tags.is_valid(), Error::InvalidTags);
    let text = args.cid.len() + args.title.len() + args.tags.len();
    check!(text <= MAX_TEXT, kit::Error::TextTooLong);

    record.digest = *args.digest;
    record.wistia = *args.wistia;
    let seq = record.seq.add(1)?;
    RecordUpdated {
        record: a.record.address(),
        seq,
        actor: a.owner.address(),
        digest: args.digest,
        wistia: args.wistia,
        cid: args.cid,
        title: args.title,
        tags: args.tags,
    }
    .emit(a.event_authority);
    Ok(())
}
