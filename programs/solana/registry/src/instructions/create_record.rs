// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, RecordCreated},
    state::{count, Record, Status, Tags, KINDS, NONE, VISIBILITIES},
    Error,
};
use kit::{
    account::{self, check_system_program, Payer},
    borsh::{Text, MAX_TEXT},
    check,
};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] Whose record it is.
    owner,
    /// [signer, writable] Pays the rent of what is created.
    payer,
    /// [writable] PDA `["counter"]`.
    counter,
    /// [writable] PDA `["creator", owner]`.
    creator_counter,
    /// [writable] PDA `["record", owner, nonce]`, nonce being the creator counter's.
    record,
    /// [] The record that it is a part of; the zero address (the system program) for none.
    parent,
    /// [] System program.
    system_program,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    kind: u8,
    digest: [u8; 32],
    wistia: [u8; 32],
    visibility: u8,
    cid: Text,
    title: Text,
    tags: Tags,
}

/// Makes a record.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.owner.is_signer(), kit::Error::NotSigner);
    check!(a.payer.is_signer(), kit::Error::NotSigner);
    check_system_program(a.system_program)?;
    check_events(a.event_authority, a.program)?;

    check!(args.kind < KINDS, Error::InvalidKind);
    check!(args.visibility < VISIBILITIES, Error::InvalidVisibility);
    check!(args.tags.is_valid(), Error::InvalidTags);
    let text = args.cid.len() + args.title.len() + args.tags.len();
    check!(text <= MAX_TEXT, kit::Error::TextTooLong);
    if a.parent.address() != &NONE {
        // read for its checks: owner, length, discriminator
        Record::load(a.parent)?;
    }

    let owner = a.owner.address();
    let payer = Payer::new(a.payer);
    let nonce = count(&payer, a.counter, a.creator_counter, owner)?;
    let seeds = [Record::SEED, owner.as_array(), nonce.as_bytes()];
    let (record, bump) = account::create::<Record, 3>(&payer, a.record, seeds, Error::WrongRecord)?;
    record.owner = *owner;
    record.nonce = nonce;
    record.parent = *a.parent.address();
    record.digest = *args.digest;
    record.wistia = *args.wistia;
    record.kind = args.kind;
    record.visibility = args.visibility;
    record.bump = bump;
    let seq = record.seq.add(1)?;
    announce(&a, &args, seq, nonce.get());
    Ok(())
}

#[inline(always)]
fn announce(a: &Accounts, args: &Args, seq: u64, nonce: u64) {
    RecordCreated {
        record: a.record.address(),
        seq,
        actor: a.owner.address(),
        nonce,
        kind: args.kind,
        parent: a.parent.address(),
        digest: args.digest,
        wistia: args.wistia,
        visibility_after: args.visibility,
        status_after: Status::Active as u8,
        cid: args.cid,
        title: args.title,
        tags: args.tags,
    }
    .emit(a.event_authority);
}
