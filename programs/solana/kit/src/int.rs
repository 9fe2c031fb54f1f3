// SPDX-License-Identifier: Apache-2.0
//! Little-endian integers without alignment, so that state is read where it lies.
use crate::Error;
use pinocchio::error::ProgramError;

macro_rules! little_endian {
    ($name:ident, $int:ty, $size:literal) => {
        #[repr(transparent)]
        #[derive(Clone, Copy, Default)]
        pub struct $name([u8; $size]);

        impl $name {
            #[inline(always)]
            pub const fn get(&self) -> $int {
                <$int>::from_le_bytes(self.0)
            }
            #[inline(always)]
            pub fn set(&mut self, value: $int) {
                self.0 = value.to_le_bytes();
            }
            #[inline(always)]
            pub const fn as_bytes(&self) -> &[u8; $size] {
                &self.0
            }
        }

        impl From<$int> for $name {
            #[inline(always)]
            fn from(value: $int) -> Self {
                Self(value.to_le_bytes())
            }
        }
    };
}

little_endian!(U16, u16, 2);
little_endian!(U32, u32, 4);
little_endian!(U64, u64, 8);
little_endian!(I64, i64, 8);
little_endian!(I128, i128, 16);

impl U64 {
    /// Adds, and gives the sum (`Overflow` past u64).
    #[inline(always)]
    pub fn add(&mut self, value: u64) -> Result<u64, ProgramError> {
        let sum = add(self.get(), value)?;
        self.set(sum);
        Ok(sum)
    }

    /// Subtracts, and gives the difference (`Overflow` below 0).
    #[inline(always)]
    pub fn sub(&mut self, value: u64) -> Result<u64, ProgramError> {
        let rest = sub(self.get(), value)?;
        self.set(rest);
        Ok(rest)
    }
}

/// A borsh bool: 0 or 1.
#[repr(transparent)]
#[derive(Clone, Copy, Default)]
pub struct Bool(u8);

impl Bool {
    #[inline(always)]
    pub const fn get(&self) -> bool {
        self.0 != 0
    }
    #[inline(always)]
    pub fn set(&mut self, value: bool) {
        self.0 = value as u8;
    }
}

#[inline(always)]
pub fn add(a: u64, b: u64) -> Result<u64, ProgramError> {
    a.checked_add(b).ok_or(Error::Overflow.into())
}

#[inline(always)]
pub fn sub(a: u64, b: u64) -> Result<u64, ProgramError> {
    a.checked_sub(b).ok_or(Error::Overflow.into())
}

/// floor(a × b / divisor), the product in 128 bits. `Overflow` when the divisor is 0 or the
/// result needs more than 64 bits.
#[inline(always)]
pub fn mul_div(a: u64, b: u64, divisor: u64) -> Result<u64, ProgramError> {
    let product = a as u128 * b as u128;
    let high = (product >> 64) as u64;
    check!(high < divisor, Error::Overflow);
    Ok(div_wide(high, product as u64, divisor))
}

/// (high × 2^64 + low) / divisor, for high < divisor, hence a quotient of 64 bits.
///
/// Knuth's algorithm D in base 2^32 (Warren, Hacker's Delight, "divlu"). The compiler's 128-bit
/// division walks bit by bit, some 3,500 compute units; this takes about 100.
#[inline(never)]
pub fn div_wide(high: u64, low: u64, divisor: u64) -> u64 {
    const BASE: u64 = 1 << 32;
    const HALF: u64 = BASE - 1;
    if high == 0 {
        return low / divisor;
    }
    let shift = divisor.leading_zeros();
    let divisor = divisor << shift;
    let (d1, d0) = (divisor >> 32, divisor & HALF);
    let carried = if shift == 0 { 0 } else { low >> (64 - shift) };
    let high = high << shift | carried;
    let low = low << shift;

    let digit = |rest: u64, next: u64| {
        let (mut q, mut r) = (rest / d1, rest % d1);
        while q >= BASE || q.wrapping_mul(d0) > (r << 32 | next) {
            q -= 1;
            r += d1;
            if r >= BASE {
                break;
            }
        }
        q
    };
    let q1 = digit(high, low >> 32);
    let rest = (high << 32 | low >> 32).wrapping_sub(q1.wrapping_mul(divisor));
    let q0 = digit(rest, low & HALF);
    q1 << 32 | q0
}
