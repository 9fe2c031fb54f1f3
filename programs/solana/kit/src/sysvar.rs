// SPDX-License-Identifier: Apache-2.0
//! The sysvars that programs read, by syscall, only the bytes they need; and deadlines.
use pinocchio::{
    error::ProgramError,
    sysvars::{clock::CLOCK_ID, get_sysvar, rent::RENT_ID},
};

/// Block time, unix seconds.
pub fn now() -> Result<i64, ProgramError> {
    let mut seconds = [0; 8];
    get_sysvar(&mut seconds, &CLOCK_ID, 32)?;
    Ok(i64::from_le_bytes(seconds))
}

/// Block height's slot.
pub fn slot() -> Result<u64, ProgramError> {
    let mut slot = [0; 8];
    get_sysvar(&mut slot, &CLOCK_ID, 0)?;
    Ok(u64::from_le_bytes(slot))
}

/// Bytes that every account is charged for beside its data (Solana's account storage overhead).
const ACCOUNT_OVERHEAD: u64 = 128;

/// Lamports per byte that keep an account alive.
///
/// The sysvar is lamports per byte (u64), then a factor (f64). Clusters before SIMD-0194 give
/// lamports per byte-year and the factor 2.0, later ones the whole and 1.0. Programs have no
/// floating point, so the factor is told by its bits.
pub fn rent_per_byte() -> Result<u32, ProgramError> {
    let mut rent = [0; 16];
    get_sysvar(&mut rent, &RENT_ID, 0)?;
    let [a, b, c, d, e, f, g, h, factor @ ..] = rent;
    let per_byte = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let years = match u64::from_le_bytes(factor) {
        0x3ff0_0000_0000_0000 => 1,
        0x4000_0000_0000_0000 => 2,
        _ => return Err(ProgramError::UnsupportedSysvar),
    };
    u32::try_from(per_byte.wrapping_mul(years)).map_err(|_| ProgramError::UnsupportedSysvar)
}

/// Lamports that keep an account of `space` bytes alive.
#[inline(always)]
pub fn rent_exemption(space: usize, per_byte: u32) -> u64 {
    // two numbers of 32 bits: an account has at most 10 MiB
    (ACCOUNT_OVERHEAD + space as u64).wrapping_mul(per_byte as u64)
}

/// Longest time from one deadline to the next, seconds (G-9): 366 days.
pub const MAX_PERIOD: i64 = 366 * 24 * 60 * 60;

/// Is `deadline` after `start`, by no more than the longest period?
#[inline(always)]
pub fn is_within(start: i64, deadline: i64) -> bool {
    start < deadline && deadline.abs_diff(start) <= MAX_PERIOD as u64
}
