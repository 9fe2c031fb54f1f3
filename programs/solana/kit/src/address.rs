// SPDX-License-Identifier: Apache-2.0
//! Program-derived addresses at their canonical bump.
use core::{cell::Cell, mem::MaybeUninit};
use pinocchio::{cpi::Seed, Address};

const MARKER: &[u8] = b"ProgramDerivedAddress";
const MAX_PARTS: usize = 8;

/// What is hashed to the address of a PDA: seeds, bump, program, marker. Laid out once, for the
/// search of the bump and for the signature.
pub struct Derivation<'a> {
    parts: [MaybeUninit<Seed<'a>>; MAX_PARTS],
    seeds: usize, // the parts before the last three
    bump: &'a Cell<u8>,
}

impl<'a> Derivation<'a> {
    /// `bump` is where the bump is kept. At most five seeds.
    #[inline(always)]
    pub fn new<const N: usize>(
        seeds: [&'a [u8]; N],
        program: &'a Address,
        bump: &'a Cell<u8>,
    ) -> Self {
        const { assert!(N + 3 <= MAX_PARTS) };
        let mut parts = [const { MaybeUninit::uninit() }; MAX_PARTS];
        for (part, seed) in parts.iter_mut().zip(seeds) {
            part.write(Seed::from(seed));
        }
        // SAFETY: a byte, of which the seed keeps but the address.
        parts[N].write(Seed::from(unsafe { core::slice::from_raw_parts(bump.as_ptr(), 1) }));
        parts[N + 1].write(Seed::from(program.as_array()));
        parts[N + 2].write(Seed::from(MARKER));
        Self { parts, seeds: N, bump }
    }

    /// Is `address` what the seeds derive? Leaves the canonical bump in `bump` when it is.
    ///
    /// The same search as `find_program_address` (the first bump from 255 down whose hash is no
    /// curve point), by the sha-256 and curve syscalls: a quarter of that syscall's price. That
    /// `address` itself is off the curve is left to the signed call by which it is created.
    #[inline(always)]
    pub fn gives(&self, address: &Address) -> bool {
        self.bump.set(u8::MAX);
        loop {
            let hash = sha256(self.first(self.seeds + 3));
            if &hash == address {
                return true;
            }
            let skipped = self.bump.get();
            if !is_on_curve(&hash) || skipped == 0 {
                return false;
            }
            self.bump.set(skipped - 1);
        }
    }

    /// What signs for the address: the seeds and the bump.
    #[inline(always)]
    pub fn signer(&self) -> &[Seed<'a>] {
        self.first(self.seeds + 1)
    }

    #[inline(always)]
    fn first(&self, count: usize) -> &[Seed<'a>] {
        // SAFETY: `new` has written `seeds` + 3 parts, and is asked for no more.
        unsafe { core::slice::from_raw_parts(self.parts.as_ptr() as *const Seed<'a>, count) }
    }
}

#[cfg(any(target_os = "solana", target_arch = "bpf"))]
#[inline(always)]
fn sha256(parts: &[Seed]) -> Address {
    let mut hash = core::mem::MaybeUninit::<Address>::uninit();
    // SAFETY: a slice of seeds is what the syscall reads (pointer and length of each part); it
    // writes 32 bytes.
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
fn is_on_curve(point: &Address) -> bool {
    const EDWARDS: u64 = 0;
    // SAFETY: the syscall reads 32 bytes and writes nothing.
    unsafe {
        solana_define_syscall::definitions::sol_curve_validate_point(
            EDWARDS,
            point.as_array().as_ptr(),
            core::ptr::null_mut(),
        ) == 0
    }
}

#[cfg(not(any(target_os = "solana", target_arch = "bpf")))]
fn sha256(_: &[Seed]) -> Address {
    unimplemented!("only on chain")
}

#[cfg(not(any(target_os = "solana", target_arch = "bpf")))]
fn is_on_curve(_: &Address) -> bool {
    unimplemented!("only on chain")
}
