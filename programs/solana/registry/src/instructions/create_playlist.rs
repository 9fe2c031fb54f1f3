// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, PlaylistCreated},
    state::{count, Playlist, VISIBILITIES},
    Error,
};
use kit::{
    account::{self, check_system_program, Payer},
    borsh::{Text, MAX_TEXT},
    check,
};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] Whose playlist it is.
    owner,
    /// [signer, writable] Pays the rent of what is created.
    payer,
    /// [writable] PDA `["counter"]`.
    counter,
    /// [writable] PDA `["creator", owner]`.
    creator_counter,
    /// [writable] PDA `["playlist", owner, nonce]`, nonce being the creator counter's.
    playlist,
    /// [] System program.
    system_program,
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

/// Makes a playlist.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.owner.is_signer(), kit::Error::NotSigner);
    check!(a.payer.is_signer(), kit::Error::NotSigner);
    check_system_program(a.system_program)?;
    check_events(a.event_authority, a.program)?;

    check!(args.visibility < VISIBILITIES, Error::InvalidVisibility);
    check!(args.cid.len() + args.title.len() <= MAX_TEXT, kit::Error::TextTooLong);

    let owner = a.owner.address();
    let payer = Payer::new(a.payer);
    let nonce = count(&payer, a.counter, a.creator_counter, owner)?;
    let seeds = [Playlist::SEED, owner.as_array(), nonce.as_bytes()];
    let (playlist, bump) =
        account::create::<Playlist, 3>(&payer, a.playlist, seeds, Error::WrongPlaylist)?;
    playlist.owner = *owner;
    playlist.nonce = nonce;
    playlist.digest = *args.digest;
    playlist.entries = args.entries.into();
    playlist.visibility = args.visibility;
    playlist.bump = bump;
    let seq = playlist.seq.add(1)?;

    PlaylistCreated {
        playlist: a.playlist.address(),
        seq,
        actor: owner,
        nonce: nonce.get(),
        digest: args.digest,
        entries: args.entries,
        visibility_after: args.visibility,
        cid: args.cid,
        title: args.title,
    }
    .emit(a.event_authority);
    Ok(())
}
