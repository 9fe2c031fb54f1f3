// SPDX-License-Identifier: Apache-2.0
//! Signatures that the ed25519 program has verified in the same transaction.
use pinocchio::{
    sysvars::instructions::{Instructions, INSTRUCTIONS_ID},
    AccountView, Address,
};

const ED25519: Address = Address::from_str_const("Ed25519SigVerify111111111111111111111111111");
/// Offset's index that says "in this very instruction".
const HERE: [u8; 2] = [0xff; 2];
const HEADER: usize = 16;
const KEY: usize = HEADER;
const SIGNATURE: usize = KEY + 32;
const MESSAGE: usize = SIGNATURE + 64;

/// Does the instruction right before this one verify `signer`'s signature of exactly `message`?
///
/// Only the plain layout passes: one signature, key, signature and message in this order in the
/// ed25519 instruction itself, so that every byte compared here is a byte that was verified.
pub fn is_signed(instructions: &AccountView, signer: &Address, message: &[u8]) -> bool {
    if instructions.address() != &INSTRUCTIONS_ID {
        return false;
    }
    let Ok(sysvar) = Instructions::try_from(instructions) else {
        return false;
    };
    let Ok(before) = sysvar.get_instruction_relative(-1) else {
        return false;
    };
    let data = before.get_instruction_data();
    let offset = |at: usize| (at as u16).to_le_bytes();
    before.get_program_id() == &ED25519
        && data.len() == MESSAGE + message.len()
        && data[..2] == [1, 0]
        && data[2..4] == offset(SIGNATURE)
        && data[4..6] == HERE
        && data[6..8] == offset(KEY)
        && data[8..10] == HERE
        && data[10..12] == offset(MESSAGE)
        && data[12..14] == offset(message.len())
        && data[14..16] == HERE
        && &data[KEY..SIGNATURE] == signer.as_array()
        && &data[MESSAGE..] == message
}
