// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, WalletUnlinked},
    state::{Link, Profile},
    Error,
};
use kit::{account, check};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] The profile's wallet or the linked one.
    actor,
    /// [writable] The profile.
    profile,
    /// [writable] PDA `["link", wallet]`.
    link,
    /// [writable] Who paid the link's rent.
    rent_payer,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

/// Either wallet ends a link.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    check!(data.is_empty(), kit::Error::InvalidInstruction);
    check!(a.actor.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let link = Link::load(a.link)?;
    let profile = Profile::load(a.profile)?;
    check!(profile.wallet == link.profile, Error::WrongProfile);
    check!(a.rent_payer.address() == &link.rent_payer, kit::Error::WrongRentPayer);

    let actor = a.actor.address();
    check!(actor == &link.profile || actor == &link.wallet, Error::NotParty);

    profile.linked.set(profile.linked.get() - 1);
    let seq = profile.seq.add(1)?;

    WalletUnlinked {
        profile: &link.profile,
        seq,
        actor,
        wallet: &link.wallet,
        linked_after: profile.linked.get(),
    }
    .emit(a.event_authority);
    account::close(a.link, a.rent_payer)
}
