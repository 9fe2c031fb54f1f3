// SPDX-License-Identifier: Apache-2.0
use pinocchio::error::ProgramError;

/// Errors that every program has. A program's own begin at 6020. The text is what clients show.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Unknown instruction, or arguments that do not parse
    InvalidInstruction = 6000,
    /// Fewer accounts than the instruction lists
    MissingAccount = 6001,
    /// A required signature is missing
    NotSigner = 6002,
    /// The program account is not this program
    WrongProgram = 6003,
    /// The account is not the system program
    WrongSystemProgram = 6004,
    /// The account is not the classic token program
    WrongTokenProgram = 6005,
    /// The account is not the event authority, or it did not sign
    WrongEventAuthority = 6006,
    /// The account is not at the address that its seeds give
    WrongAddress = 6007,
    /// The account is not the program's counter
    WrongCounter = 6008,
    /// The account is not the creator's counter
    WrongCreatorCounter = 6009,
    /// The account is not the entity's vault
    WrongVault = 6010,
    /// The token account does not belong to who is paid
    WrongTokenAccount = 6011,
    /// The account did not pay this rent
    WrongRentPayer = 6012,
    /// The result does not fit its type
    Overflow = 6013,
    /// The amount is zero
    ZeroAmount = 6014,
    /// An address that must be set is zero
    ZeroAddress = 6015,
    /// The texts are at most 700 bytes together
    TextTooLong = 6016,
    /// The account is not a token of the supported kind
    InvalidToken = 6017,
}

impl From<Error> for ProgramError {
    fn from(error: Error) -> Self {
        ProgramError::Custom(error as u32)
    }
}
