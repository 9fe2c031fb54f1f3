// SPDX-License-Identifier: Apache-2.0
use pinocchio::error::ProgramError;

/// This program's own errors, beside `kit::Error`. The text is what clients show.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The account is not an agreement
    WrongAgreement = 6020,
    /// The account is not the agreement's feed
    WrongFeed = 6021,
    /// Only a party may do this now
    NotParty = 6022,
    /// Seller, buyer and arbiter must be three, one of the first two the proposer
    InvalidParties = 6023,
    /// The price's limits do not fit together
    InvalidPrice = 6024,
    /// A split is at most 10000 basis points
    InvalidSplit = 6025,
    /// The deadlines do not follow one another within 366 days
    InvalidDeadlines = 6026,
    /// Only the party that did not propose may sign
    NotCounterparty = 6027,
    /// The agreement's status does not allow this
    WrongStatus = 6028,
    /// The deadline has passed
    TooLate = 6029,
    /// The signature has expired
    SignatureExpired = 6030,
    /// The signature is not the counterparty's of this agreement
    InvalidSignature = 6031,
    /// The party has funded
    AlreadyFunded = 6032,
    /// Only the seller may do this
    NotSeller = 6033,
    /// More than the agreed quantity
    TooMuch = 6034,
    /// Only the buyer may do this
    NotBuyer = 6035,
    /// It is too early for this
    TooEarly = 6036,
    /// Nothing has been delivered
    NothingDelivered = 6037,
    /// The delivery has been accepted
    AlreadyAccepted = 6038,
    /// Only the arbiter may do this
    NotArbiter = 6039,
    /// The arbiter has ruled
    AlreadyRuled = 6040,
    /// The price follows no feed
    NoFeed = 6041,
    /// The price has been fixed
    PriceAlreadyFixed = 6042,
    /// The observation is not the first after delivery was due
    NotFirstObservation = 6043,
    /// The price must be fixed first
    PriceNotFixed = 6044,
    /// The party has asked for this already
    AlreadyRequested = 6045,
    /// The party is owed nothing
    NothingOwed = 6046,
    /// The parties must be paid first
    MoneyLeft = 6047,
}

impl From<Error> for ProgramError {
    fn from(error: Error) -> Self {
        ProgramError::Custom(error as u32)
    }
}
