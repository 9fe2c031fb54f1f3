// SPDX-License-Identifier: Apache-2.0
use pinocchio::error::ProgramError;

/// This program's own errors, beside `kit::Error`. The text is what clients show.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The account is not a market
    WrongMarket = 6020,
    /// The account is not this market's position
    WrongPosition = 6021,
    /// A market has 2 to 16 outcomes
    InvalidOutcomeCount = 6022,
    /// The fee is at most 1000 basis points
    FeeTooHigh = 6023,
    /// The close lies within 366 days from now
    InvalidCloseTime = 6024,
    /// The resolve deadline lies within 366 days after the close
    InvalidResolveTime = 6025,
    /// The market is already resolved or voided
    MarketNotOpen = 6026,
    /// The market takes no more bets
    BettingClosed = 6027,
    /// The market has no such outcome
    InvalidOutcome = 6028,
    /// Only the resolver may do this now
    NotResolver = 6029,
    /// The market has not closed yet
    TooEarly = 6030,
    /// The resolve deadline has passed
    TooLate = 6031,
    /// The market is neither resolved nor voided
    MarketNotSettled = 6032,
    /// The position has nothing to get
    NothingToClaim = 6033,
    /// The position has been paid
    AlreadyClaimed = 6034,
    /// The market has no fee
    NoFee = 6035,
    /// The fee has been paid
    FeeAlreadyCollected = 6036,
    /// The position must be claimed first
    PositionNotClaimed = 6037,
    /// The market still has positions
    PositionsLeft = 6038,
    /// The fee must be collected first
    FeeNotCollected = 6039,
}

impl From<Error> for ProgramError {
    fn from(error: Error) -> Self {
        ProgramError::Custom(error as u32)
    }
}
