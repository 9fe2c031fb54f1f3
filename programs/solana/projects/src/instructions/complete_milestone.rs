// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, MilestoneCompleted},
    Error,
};
use kit::check;
use pinocchio::{AccountView, ProgramResult};
use project::Project;

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
    milestone: u32,
    evidence: [u8; 32],
}

/// Says that a milestone is reached.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.owner.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let project = Project::load(a.project, Error::WrongProject)?;

    check!(a.owner.address() == &project.owner, Error::NotOwner);
    check!(args.milestone < project.milestones.get(), Error::MilestoneNotFound);
    let bit = 1 << args.milestone;
    let done = project.done.get();
    check!(done & bit == 0, Error::AlreadyDone);

    project.done.set(done | bit);
    let done_after = project.milestones_done.get() + 1;
    project.milestones_done.set(done_after);
    let seq = project.next_seq()?;

    MilestoneCompleted {
        project: a.project.address(),
        seq,
        actor: a.owner.address(),
        milestone: args.milestone,
        evidence: args.evidence,
        done_after,
    }
    .emit(a.event_authority);
    Ok(())
}
