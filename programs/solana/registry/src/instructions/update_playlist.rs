// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, PlaylistUpdated},
    state::{Playlist, VISIBILITIES},
    Error,
};
use kit::{
    borsh::{Text, MAX_TEXT},
    check,
};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] The playlist's owner.
    owner,
    /// [writable] The playlist.
    playlist,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    digest: [u8; 32],
    entries: u32,
    visibility: u8,
    cid: Text,
    title: Text,
}

/// The owner names another list.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.owner.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let playlist = Playlist::load(a.playlist)?;

    check!(a.owner.address() == &playlist.owner, Error::NotOwner);
    check!(args.visibility < VISIBILITIES, Error::InvalidVisibility);
    check!(args.cid.len() + args.title.len() <= MAX_TEXT, kit::Error::TextTooLong);

    playlist.digest = *args.digest;
    playlist.entries = args.entries.into();
    playlist.visibility = args.visibility;
    let seq = playlist.seq.add(1)?;
    PlaylistUpdated {
        playlist: a.playlist.address(),
        seq,
        actor: a.owner.address(),
        digest: args.digest,
        entries: args.entries,
        visibility_after: args.visibility,
        cid: args.cid,
        title: args.title,
    }
    .emit(a.event_authority);
    Ok(())
}
