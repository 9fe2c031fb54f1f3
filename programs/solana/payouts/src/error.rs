// SPDX-License-Identifier: Apache-2.0
use pinocchio::error::ProgramError;

/// This program's own errors, beside `kit::Error`. The text is what clients show.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The account is not a pool
    WrongPool = 6020,
    /// The account is not a project
    WrongProject = 6021,
    /// The account is not the pool's feed
    WrongFeed = 6022,
    /// The account is not this funder's receipt
    WrongReceipt = 6023,
    /// The account is not the page of this index
    WrongPage = 6024,
    /// The account is not this entry
    WrongEntry = 6025,
    /// The account is not this vendor's
    WrongVendor = 6026,
    /// The account is not this beneficiary's voucher
    WrongVoucher = 6027,
    /// The account is not a page, entry, vendor or voucher of the pool
    WrongPart = 6028,
    /// Only the project's owner may do this
    NotOwner = 6029,
    /// The window does not fit the pool's kind
    InvalidWindow = 6030,
    /// The deadlines do not follow one another as they must
    InvalidDeadlines = 6031,
    /// The trigger is not whole
    InvalidTrigger = 6032,
    /// The status does not allow this
    WrongStatus = 6033,
    /// The deadline has passed
    TooLate = 6034,
    /// The pool is not a round
    NotARound = 6035,
    /// It is too early for this
    TooEarly = 6036,
    /// The entrant has entered this record
    AlreadyEntered = 6037,
    /// Only the operator may do this
    NotOperator = 6038,
    /// A root is not zero and has leaves
    InvalidRoot = 6039,
    /// The total is more than zero and at most what was funded
    InsufficientFunds = 6040,
    /// Only the guardian may do this
    NotGuardian = 6041,
    /// The pool has no trigger
    NoTrigger = 6042,
    /// The trigger has fired
    AlreadyFired = 6043,
    /// The observation is not of the trigger's time
    ObservationOutOfWindow = 6044,
    /// The observation is too old
    StaleObservation = 6045,
    /// The observation does not fulfil the condition
    ConditionNotMet = 6046,
    /// The trigger has not fired
    NotTriggered = 6047,
    /// The leaf has been claimed or allocated
    AlreadyClaimed = 6048,
    /// The proof does not lead to the root
    InvalidProof = 6049,
    /// More than what is left of the total
    ExceedsTotal = 6050,
    /// The vendor is not one of the pool's
    NotVendor = 6051,
    /// The signature has expired
    SignatureExpired = 6052,
    /// The signature is not the beneficiary's of this redemption
    InvalidSignature = 6053,
    /// More than the voucher holds
    ExceedsVoucher = 6054,
    /// The funder has nothing to get back
    NothingToRefund = 6055,
    /// The pool still has receipts or other accounts
    PartsLeft = 6056,
}

impl From<Error> for ProgramError {
    fn from(error: Error) -> Self {
        ProgramError::Custom(error as u32)
    }
}
