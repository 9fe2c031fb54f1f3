// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::check_events,
    state::{count, Scope},
};
use kit::{
    account::{check_system_program, Payer},
    check,
};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] Who will be its first admin.
    creator,
    /// [signer, writable] Pays the rent of what is created.
    payer,
    /// [writable] PDA `["counter"]`.
    counter,
    /// [writable] PDA `["creator", creator]`.
    creator_counter,
    /// [writable] PDA `["scope", creator, nonce]`, nonce being the creator counter's.
    scope,
    /// [writable] PDA `["grant", scope, creator, 0]`.
    grant,
    /// [] System program.
    system_program,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    subject: [u8; 32],
}

/// Opens a scope for a project; its creator is its first admin.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.creator.is_signer(), kit::Error::NotSigner);
    check!(a.payer.is_signer(), kit::Error::NotSigner);
    check_system_program(a.system_program)?;
    check_events(a.event_authority, a.program)?;

    let creator = a.creator.address();
    let payer = Payer::new(a.payer);
    let nonce = count(&payer, a.counter, a.creator_counter, creator)?;
    Scope::open(
        &payer,
        a.scope,
        creator,
        nonce,
        args.subject,
        a.grant,
        creator,
        creator,
        a.event_authority,
    )
}
