// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, ProjectCreated},
    state::count,
    Error,
};
use kit::{
    account::{self, check_system_program, Payer},
    borsh::{Text, MAX_TEXT},
    check,
};
use pinocchio::{AccountView, ProgramResult};
use project::{Project, Status, PAYOUTS};

/// 0 RFV, 1 C2C, 2 AA.
const KINDS: u8 = 3;

kit::accounts! {
    /// [signer] Who owns the project.
    owner,
    /// [signer, writable] Pays the rent of what is created.
    payer,
    /// [writable] PDA `["counter"]`.
    counter,
    /// [writable] PDA `["creator", owner]`.
    creator_counter,
    /// [writable] PDA `["project", owner, nonce]`, nonce being the creator counter's.
    project,
    /// [] System program.
    system_program,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    kind: u8,
    organisation: [u8; 32],
    budget: u64,
    cid: Text,
    title: Text,
}

/// Creates a project.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.owner.is_signer(), kit::Error::NotSigner);
    check!(a.payer.is_signer(), kit::Error::NotSigner);
    check_system_program(a.system_program)?;
    check_events(a.event_authority, a.program)?;

    check!(args.kind < KINDS, kit::Error::InvalidInstruction);
    check!(args.cid.len() + args.title.len() <= MAX_TEXT, kit::Error::TextTooLong);

    let owner = a.owner.address();
    let payer = Payer::new(a.payer);
    let nonce = count(&payer, a.counter, a.creator_counter, owner)?;
    let seeds = [Project::SEED, owner.as_array(), nonce.as_bytes()];
    let (project, bump) =
        account::create::<Project, 3>(&payer, a.project, seeds, Error::WrongProject)?;
    project.owner = *owner;
    project.nonce = nonce;
    project.organisation = *args.organisation;
    project.budget = args.budget.into();
    project.kind = args.kind;
    project.bump = bump;
    let seq = project.next_seq()?;

    ProjectCreated {
        project: a.project.address(),
        seq,
        actor: owner,
        nonce: nonce.get(),
        payouts: &PAYOUTS,
        kind: args.kind,
        organisation: args.organisation,
        budget: args.budget,
        status_after: Status::Active as u8,
        cid: args.cid,
        title: args.title,
    }
    .emit(a.event_authority);
    Ok(())
}
