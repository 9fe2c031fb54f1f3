// SPDX-License-Identifier: Apache-2.0
use pinocchio::error::ProgramError;

/// This program's own errors, beside `kit::Error`. The text is what clients show.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The account is not a feed
    WrongFeed = 6020,
    /// The heartbeat is at least one second
    InvalidHeartbeat = 6021,
    /// A feed has at most 38 decimals
    InvalidDecimals = 6022,
    /// Only the publisher may do this
    NotPublisher = 6023,
    /// A call publishes 1 to 32 observations
    InvalidBatch = 6024,
    /// The observation is not later than the one before it
    NotLater = 6025,
    /// The observation is from the future
    FromFuture = 6026,
}

impl From<Error> for ProgramError {
    fn from(error: Error) -> Self {
        ProgramError::Custom(error as u32)
    }
}
