// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, ProfileSet},
    state::{count_entity, Profile},
    Error, ID,
};
use kit::{
    account::{self, check_system_program, Payer},
    borsh::{Text, MAX_TEXT},
    check,
};
use pinocchio::{error::ProgramError, AccountView, ProgramResult};

kit::accounts! {
    /// [signer] Whose profile it is.
    wallet,
    /// [signer, writable] Pays the rent of what is created.
    payer,
    /// [writable] PDA `["counter"]`.
    counter,
    /// [writable] PDA `["profile", wallet]`.
    profile,
    /// [] System program.
    system_program,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    metadata: [u8; 32],
    handle: Text,
    cid: Text,
}

/// A wallet says who it is, for the first time or anew.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.wallet.is_signer(), kit::Error::NotSigner);
    check!(a.payer.is_signer(), kit::Error::NotSigner);
    check_system_program(a.system_program)?;
    check_events(a.event_authority, a.program)?;

    check!(args.handle.len() + args.cid.len() <= MAX_TEXT, kit::Error::TextTooLong);

    let profile = load_or_create(&a)?;
    profile.metadata = *args.metadata;
    let seq = profile.seq.add(1)?;

    ProfileSet {
        profile: a.wallet.address(),
        seq,
        actor: a.wallet.address(),
        metadata: args.metadata,
        status_after: profile.status,
        handle: args.handle,
        cid: args.cid,
    }
    .emit(a.event_authority);
    Ok(())
}

#[inline(always)]
fn load_or_create<'a>(a: &Accounts<'a>) -> Result<&'a mut Profile, ProgramError> {
    let wallet = a.wallet.address();
    if a.profile.owned_by(&ID) {
        let profile = Profile::load(a.profile)?;
        check!(&profile.wallet == wallet, Error::WrongProfile);
        return Ok(profile);
    }
    let payer = Payer::new(a.payer);
    count_entity(&payer, a.counter)?;
    let seeds = [Profile::SEED, wallet.as_array()];
    let (profile, bump) =
        account::create::<Profile, 2>(&payer, a.profile, seeds, Error::WrongProfile)?;
    profile.wallet = *wallet;
    profile.bump = bump;
    Ok(profile)
}
