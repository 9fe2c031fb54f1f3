// SPDX-License-Identifier: Apache-2.0
use crate::{Error, ID};
use kit::{
    account,
    int::{Bool, I64, U16, U64},
};
use pinocchio::{error::ProgramError, AccountView, Address};

/// What an issuer attests of a subject, by digest. PDA `["attestation", issuer, nonce]`.
#[repr(C)]
pub struct Attestation {
    discriminator: [u8; 8],
    pub issuer: Address,
    pub nonce: U64,
    /// Where the issuer held the role.
    pub scope: Address,
    pub subject: Address,
    pub digest: [u8; 32],
    pub expires_at: I64,
    /// Of the last event.
    pub seq: U64,
    pub kind: U16,
    pub revoked: Bool,
    pub bump: u8,
}
kit::state!(Attestation, 164, ID);

impl Attestation {
    pub const SEED: &'static [u8] = b"attestation";

    #[inline(always)]
    pub fn load(account: &AccountView) -> Result<&mut Self, ProgramError> {
        account::load(account, Error::WrongAttestation)
    }
}
