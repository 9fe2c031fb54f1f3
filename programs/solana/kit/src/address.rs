// SPDX-License-Identifier: Apache-2.0
//! Program-derived addresses at their canonical bump.
use pinocchio::{error::ProgramError, AccountView, Address};

const MARKER: &[u8] = b"ProgramDerivedAddress";
const MAX_PARTS: usize = 8;

/// The canonical bump of the PDA of `seeds`, or `error` when `account` is not that PDA.
#[inline(always)]
pub fn bump_of(
    seeds: &[&[u8]],
    program: &Address,
    account: &AccountView,
    error: impl Into<ProgramError>,
) -> Result<u8, ProgramError> {
    let bump = canonical_bump(seeds, program, account.address());
    check!(bump.is_some(), error);
    Ok(bump.unwrap_or_default())
}

/// The canonical bump of `seeds` when `address` is what they derive; `None` otherwise.
///
/// The same search as `find_program_address` (the first bump from 255 down whose hash is no
/// curve point), by the sha-256 and curve syscalls: a quarter of that syscall's price. That
/// `address` itself is off the curve is left to the signed call by which it is created.
#[inline(never)]
fn canonical_bump(seeds: &[&[u8]], program: &Address, address: &Address) -> Option<u8> {
    let mut bump = [u8::MAX];
    loop {
        let hash = hash(seeds, &bump, program);
        if &hash == address.as_array() {
            return Some(bump[0]);
        }
        if !is_on_curve(&hash) || bump[0] == 0 {
            return None;
        }
        bump[0] -= 1;
    }
}

#[cfg(any(target_os = "solana", target_arch = "bpf"))]
#[inline(always)]
fn hash(seeds: &[&[u8]], bump: &[u8; 1], program: &Address) -> [u8; 32] {
    let mut parts: [&[u8]; MAX_PARTS] = [&[]; MAX_PARTS];
    let n = seeds.len();
    parts[..n].copy_from_slice(seeds);
    parts[n] = bump;
    parts[n + 1] = program.as_array();
    parts[n + 2] = MARKER;
    sha256(&parts[..n + 3])
}

#[cfg(any(target_os = "solana", target_arch = "bpf"))]
#[inline(always)]
fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = core::mem::MaybeUninit::<[u8; 32]>::uninit();
    // SAFETY: a slice of slices is what the syscall reads (pointer and length of each part);
    // it writes 32 bytes.
    unsafe {
        solana_define_syscall::definitions::sol_sha256(
            parts.as_ptr() as *const u8,
            parts.len() as u64,
            hash.as_mut_ptr() as *mut u8,
        );
        hash.assume_init()
    }
}

#[cfg(any(target_os = "solana", target_arch = "bpf"))]
#[inline(always)]
fn is_on_curve(point: &[u8; 32]) -> bool {
    const EDWARDS: u64 = 0;
    // SAFETY: the syscall reads 32 bytes and writes nothing.
    unsafe {
        solana_define_syscall::definitions::sol_curve_validate_point(
            EDWARDS,
            point.as_ptr(),
            core::ptr::null_mut(),
        ) == 0
    }
}

#[cfg(not(any(target_os = "solana", target_arch = "bpf")))]
fn hash(_: &[&[u8]], _: &[u8; 1], _: &Address) -> [u8; 32] {
    let _ = (MARKER, MAX_PARTS);
    unimplemented!("only on chain")
}

#[cfg(not(any(target_os = "solana", target_arch = "bpf")))]
fn is_on_curve(_: &[u8; 32]) -> bool {
    unimplemented!("only on chain")
}
