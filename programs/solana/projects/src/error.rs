// SPDX-License-Identifier: Apache-2.0
use pinocchio::error::ProgramError;

/// This program's own errors, beside `kit::Error`. The text is what clients show.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The account is not a project
    WrongProject = 6020,
    /// Only the owner may do this
    NotOwner = 6021,
    /// The project's status does not allow this
    WrongStatus = 6022,
    /// A project has at most 64 milestones
    TooManyMilestones = 6023,
    /// A milestone is due in the future
    InvalidDeadlines = 6024,
    /// The project has no such milestone
    MilestoneNotFound = 6025,
    /// The milestone is done
    AlreadyDone = 6026,
}

impl From<Error> for ProgramError {
    fn from(error: Error) -> Self {
        ProgramError::Custom(error as u32)
    }
}
