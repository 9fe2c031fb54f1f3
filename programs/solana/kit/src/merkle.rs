// SPDX-License-Identifier: Apache-2.0
//! Trees of OpenZeppelin's StandardMerkleTree: leaves hashed twice, inner nodes over the sorted
//! pair. A node has 64 bytes before it is hashed and a leaf 32, so neither passes for the other.
use crate::borsh::{Borsh, Reader, Writer};
use pinocchio::error::ProgramError;

pub type Node = [u8; 32];

/// Siblings from a leaf up to the root: a borsh vector.
pub struct Proof;

/// More than a transaction has room for, bytes.
const MAX_DATA: usize = 1232;

impl Borsh for Proof {
    type View<'a> = &'a [Node];
    const MIN: usize = 4;
    const MAX: usize = MAX_DATA;

    #[inline(always)]
    fn read<'a>(reader: &mut Reader<'a>) -> Result<&'a [Node], ProgramError> {
        let count = u32::read(reader)? as usize;
        // an absurd count cannot be multiplied past what the data holds
        let bytes = reader.bytes(count.saturating_mul(size_of::<Node>()))?;
        // SAFETY: `count` nodes of alignment 1, any bits valid, lie in `bytes`.
        Ok(unsafe { core::slice::from_raw_parts(bytes.as_ptr() as *const Node, count) })
    }

    fn write<const N: usize>(view: &[Node], writer: &mut Writer<N>) {
        writer.put(&(view.len() as u32).to_le_bytes());
        for node in view {
            writer.put(node);
        }
    }
}

/// The root that a leaf, given in parts, and its siblings give.
#[inline(always)]
pub fn root_of(leaf: &[&[u8]], proof: &[Node]) -> Node {
    let mut node = keccak256(&[&keccak256(leaf)]);
    for sibling in proof {
        let pair: [&[u8]; 2] =
            if is_less(&node, sibling) { [&node, sibling] } else { [sibling, &node] };
        node = keccak256(&pair);
    }
    node
}

/// A number as a word of 32 bytes, in which Solidity's `abi.encode` lays it out.
#[inline(always)]
pub fn encode(number: u64) -> Node {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&number.to_be_bytes());
    word
}

/// Compares as numbers of 256 bits; word by word, for the first nearly always decides.
#[inline(always)]
fn is_less(a: &Node, b: &Node) -> bool {
    for at in [0, 8, 16, 24] {
        let (x, y) = (word(a, at), word(b, at));
        if x != y {
            return x < y;
        }
    }
    false
}

#[inline(always)]
fn word(node: &Node, at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&node[at..at + 8]);
    u64::from_be_bytes(bytes)
}

#[cfg(any(target_os = "solana", target_arch = "bpf"))]
#[inline(always)]
fn keccak256(parts: &[&[u8]]) -> Node {
    let mut hash = core::mem::MaybeUninit::<Node>::uninit();
    // SAFETY: a slice of slices is what the syscall reads (pointer and length of each part);
    // it writes 32 bytes.
    unsafe {
        solana_define_syscall::definitions::sol_keccak256(
            parts.as_ptr() as *const u8,
            parts.len() as u64,
            hash.as_mut_ptr() as *mut u8,
        );
        hash.assume_init()
    }
}

#[cfg(not(any(target_os = "solana", target_arch = "bpf")))]
fn keccak256(_: &[&[u8]]) -> Node {
    unimplemented!("only on chain")
}
