// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, MilestoneAdded},
    Error,
};
use kit::{check, sysvar};
use pinocchio::{AccountView, ProgramResult};
use project::{Project, Status};

/// As many as the project has bits for.
const MAX_MILESTONES: u32 = u64::BITS;

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
    digest: [u8; 32],
    due_at: i64,
}

/// Adds a milestone.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.owner.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let project = Project::load(a.project, Error::WrongProject)?;

    check!(a.owner.address() == &project.owner, Error::NotOwner);
    check!(!project.is(Status::Done), Error::WrongStatus);
    let milestone = project.milestones.get();
    check!(milestone < MAX_MILESTONES, Error::TooManyMilestones);
    check!(sysvar::now()? < args.due_at, Error::InvalidDeadlines);

    project.milestones.set(milestone + 1);
    let seq = project.next_seq()?;

    MilestoneAdded {
        project: a.project.address(),
        seq,
        actor: a.owner.address(),
        milestone,
        digest: args.digest,
        due_at: args.due_at,
    }
    .emit(a.event_authority);
    Ok(())
}
