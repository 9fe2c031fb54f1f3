// SPDX-License-Identifier: Apache-2.0
//! Arithmetic and memory operations, one per opcode, by which tests/programs/solana/test_linker.py
//! compares what the linker makes with Python. Never deployed.
#![cfg(any(target_os = "solana", target_arch = "bpf"))]
#![no_std]

extern crate alloc;
#[cfg(target_arch = "bpf")]
extern crate solana_compiler_builtins as _;

use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::alloc::{GlobalAlloc, Layout};
use pinocchio::{cpi::set_return_data, error::ProgramError, AccountView, Address, ProgramResult};

const HEAP_START: usize = 0x3_0000_0000;
const HEAP_LENGTH: usize = 32 * 1024;

/// Hands out the heap from its end downwards; the first word holds the lowest address given.
struct Bump;

// SAFETY: single-threaded; every block lies in the heap below the ones before it.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let lowest = HEAP_START as *mut usize;
        let end = if *lowest == 0 { HEAP_START + HEAP_LENGTH } else { *lowest };
        let start = end.saturating_sub(layout.size()) & !(layout.align() - 1);
        if start < HEAP_START + size_of::<usize>() {
            return core::ptr::null_mut();
        }
        *lowest = start;
        start as *mut u8
    }
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Bump = Bump;

#[inline(never)]
fn pair(a: u64, b: u64) -> (u64, u64) {
    (a.wrapping_mul(b), a / (b | 1))
}

#[inline(never)]
fn prefix(data: &[u8], n: usize) -> &[u8] {
    &data[..n]
}

#[inline(never)]
fn remainder(a: u64, b: u64) -> Result<u64, u32> {
    if b == 0 {
        Err(7)
    } else {
        Ok(a % b)
    }
}

/// More arguments than registers.
#[inline(never)]
fn seven(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64, g: u64) -> u64 {
    a ^ b.wrapping_mul(c) ^ d.wrapping_mul(e) ^ f.wrapping_sub(g)
}

#[inline(never)]
fn wide_product(a: u64, b: u64) -> u128 {
    a as u128 * b as u128
}

#[inline(never)]
fn wide_quotient(a: u128, b: u64) -> u128 {
    a / b as u128
}

#[inline(never)]
fn signed_quotient(a: i64, b: i64) -> i64 {
    a.wrapping_div(b)
}

#[inline(never)]
fn signed_halves(a: i32, b: i32) -> i32 {
    a.wrapping_mul(b) >> 3
}

fn insertion_sort(values: &mut [u64]) {
    for end in 1..values.len() {
        let mut i = end;
        while i > 0 && values[i - 1] > values[i] {
            values.swap(i - 1, i);
            i -= 1;
        }
    }
}

trait Operation {
    fn apply(&self, x: u64) -> u64;
}
struct Plus(u64);
struct Times(u64);
impl Operation for Plus {
    fn apply(&self, x: u64) -> u64 {
        x + self.0
    }
}
impl Operation for Times {
    fn apply(&self, x: u64) -> u64 {
        x * self.0
    }
}

fn words(data: &[u8]) -> [u64; 3] {
    let word = |i: usize| u64::from_le_bytes(data[1 + 8 * i..9 + 8 * i].try_into().unwrap());
    [word(0), word(1), word(2)]
}

/// Data: opcode, three u64. Return data: a u64.
fn process(_: &Address, _: &mut [AccountView], data: &[u8]) -> ProgramResult {
    let [x, y, z] = words(data);
    let result = match data[0] {
        0 => {
            let (product, quotient) = pair(x, y);
            product ^ quotient
        }
        1 => prefix(data, x as usize).len() as u64,
        2 => remainder(x, y).unwrap_or_else(|error| error as u64 + 1000),
        3 => seven(x, y, 3, x, 5, y, 7),
        4 => (wide_product(x, y) >> 64) as u64,
        5 => wide_quotient((x as u128) << 64 | y as u128, 1_000_003) as u64,
        6 => signed_quotient(x as i64, y as i64) as u64,
        7 => signed_halves(x as i32, y as i32) as i64 as u64,
        8 => {
            let operation: Box<dyn Operation> =
                if y & 1 == 0 { Box::new(Plus(y)) } else { Box::new(Times(y)) };
            operation.apply(x)
        }
        9 => {
            let mut squares: Vec<u64> = (0..x).map(|i| i * i % 17).collect();
            insertion_sort(&mut squares);
            squares.iter().sum::<u64>() + squares[squares.len() / 2]
        }
        10 => {
            let text: String = format!("x={} y={:#x} {:?}", x, y, &data[..3]);
            text.bytes().map(u64::from).sum()
        }
        11 => {
            let mut slots = [0u64; 13];
            (0..x).for_each(|i| slots[(i * 7 % 13) as usize] = i);
            slots.iter().enumerate().map(|(key, value)| key as u64 * value).sum()
        }
        12 => data[x as usize] as u64,
        13 => kit::int::mul_div(x, y, z)?,
        14 => wide_quotient((x as u128) << 64 | y as u128, z) as u64,
        16 => (data[..x as usize] == data[1..=x as usize]) as u64,
        17 => data[1..9].repeat(x as usize).iter().map(|byte| *byte as u64).sum(),
        15 => ((x as i64 as i128) * (y as i64 as i128) >> 32) as u64,
        _ => return Err(ProgramError::InvalidInstructionData),
    };
    set_return_data(&result.to_le_bytes());
    Ok(())
}

pinocchio::program_entrypoint!(process, 1);
pinocchio::nostd_panic_handler!();
