// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, ProjectUpdated},
    Error,
};
use kit::check;
use pinocchio::{AccountView, ProgramResult};
use project::{Project, Status};

kit::accounts! {
    /// [signer] The owner.
    owner,
    /// [writable] The project.
    project,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    budget: u64,
    status: u8,
}

/// Sets budget and status.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.owner.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let project = Project::load(a.project, Error::WrongProject)?;

    check!(args.status <= Status::Done as u8, kit::Error::InvalidInstruction);
    check!(a.owner.address() == &project.owner, Error::NotOwner);
    check!(!project.is(Status::Done), Error::WrongStatus);

    project.budget = args.budget.into();
    project.status = args.status;
    let seq = project.next_seq()?;

    ProjectUpdated {
        project: a.project.address(),
        seq,
        actor: a.owner.address(),
        budget: args.budget,
        status_after: args.status,
    }
    .emit(a.event_authority);
    Ok(())
}
