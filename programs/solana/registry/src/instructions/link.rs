// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, WalletLinked},
    state::{Link, Profile},
    Error, ID,
};
use kit::{
    account::{self, check_system_program, Payer},
    check,
};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] The profile's wallet.
    owner,
    /// [signer] The wallet that is linked to it.
    wallet,
    /// [signer, writable] Pays the rent of what is created.
    payer,
    /// [writable] PDA `["profile", owner]`.
    profile,
    /// [writable] PDA `["link", wallet]`.
    link,
    /// [] System program.
    system_program,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

/// Two wallets say together that they are one's.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    check!(data.is_empty(), kit::Error::InvalidInstruction);
    check!(a.owner.is_signer(), kit::Error::NotSigner);
    check!(a.wallet.is_signer(), kit::Error::NotSigner);
    check!(a.payer.is_signer(), kit::Error::NotSigner);
    check_system_program(a.system_program)?;
    check_events(a.event_authority, a.program)?;
    let profile = Profile::load(a.profile)?;
    let (owner, wallet) = (a.owner.address(), a.wallet.address());
    check!(&profile.wallet == owner, Error::WrongProfile);

    check!(wallet != owner, Error::InvalidWallet);
    check!(!a.link.owned_by(&ID), Error::AlreadyLinked);

    let seeds = [Link::SEED, wallet.as_array()];
    let payer = Payer::new(a.payer);
    let (link, bump) = account::create::<Link, 2>(&payer, a.link, seeds, Error::WrongLink)?;
    link.wallet = *wallet;
    link.profile = *owner;
    link.rent_payer = *a.payer.address();
    link.bump = bump;
    profile.linked.set(profile.linked.get() + 1);
    let seq = profile.seq.add(1)?;

    WalletLinked { profile: owner, seq, actor: owner, wallet, linked_after: profile.linked.get() }
        .emit(a.event_authority);
    Ok(())
}
