// SPDX-License-Identifier: Apache-2.0
use pinocchio::error::ProgramError;

/// This program's own errors, beside `kit::Error`. The text is what clients show.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The account is not a scope
    WrongScope = 6020,
    /// The account is not the grant of this scope, account and role
    WrongGrant = 6021,
    /// The account is not a profile, or not the caller's
    WrongProfile = 6022,
    /// The account is not the link of this wallet
    WrongLink = 6023,
    /// The account is not an attestation
    WrongAttestation = 6024,
    /// The account is not a record
    WrongRecord = 6025,
    /// The account is not a playlist
    WrongPlaylist = 6026,
    /// Only the program's upgrade authority may do this
    NotUpgradeAuthority = 6027,
    /// The registry has its first admin
    AlreadyInitialized = 6028,
    /// Only an admin of the scope may do this
    NotAdmin = 6029,
    /// There is no such role
    InvalidRole = 6030,
    /// The account holds the role
    AlreadyGranted = 6031,
    /// The account does not hold the role
    NotGranted = 6032,
    /// A scope keeps its last admin
    LastAdmin = 6033,
    /// A profile's own wallet is not linked to it
    InvalidWallet = 6034,
    /// The wallet is linked to a profile
    AlreadyLinked = 6035,
    /// The wallet is linked to no profile
    NotLinked = 6036,
    /// Only the profile's wallet or the linked wallet may do this
    NotParty = 6037,
    /// There is no such status
    InvalidStatus = 6038,
    /// Only the scope's KYC issuer may do this
    NotIssuer = 6039,
    /// An attestation expires in the future
    InvalidExpiry = 6040,
    /// The attestation has been revoked
    AlreadyRevoked = 6041,
    /// Only the owner may do this
    NotOwner = 6042,
    /// There is no such kind of record
    InvalidKind = 6043,
    /// There is no such visibility
    InvalidVisibility = 6044,
    /// A record has at most 16 tags of 1 to 32 bytes
    InvalidTags = 6045,
    /// The record has been retired
    WrongStatus = 6046,
}

impl From<Error> for ProgramError {
    fn from(error: Error) -> Self {
        ProgramError::Custom(error as u32)
    }
}
