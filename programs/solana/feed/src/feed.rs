// SPDX-License-Identifier: Apache-2.0
use crate::ID;
use kit::{
    account,
    borsh::{Borsh, Reader, Writer},
    int::{I128, I64, U32, U64},
};
use pinocchio::{error::ProgramError, AccountView, Address};

/// Observations that a feed remembers.
pub const RING: usize = 64;
/// Observations in one call.
pub const MAX_BATCH: usize = 32;

/// A type of the interface. What a publisher saw, when (unix seconds).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Observation {
    pub value: I128,
    pub observed_at: I64,
}
const _: () = assert!(size_of::<Observation>() == 24 && align_of::<Observation>() == 1);

/// A feed. PDA `["feed", publisher, nonce]`.
#[repr(C)]
pub struct Feed {
    discriminator: [u8; 8],
    pub publisher: Address,
    pub nonce: U64,
    /// Of the last event.
    pub seq: U64,
    /// Observations ever published; the last one's round.
    pub count: U64,
    /// Seconds within which a new observation is due.
    pub heartbeat: U32,
    pub decimals: u8,
    pub bump: u8,
    /// Round n lies at (n − 1) mod 64.
    pub ring: [Observation; 64],
}
kit::state!(Feed, 1606, ID);

impl Feed {
    pub const SEED: &'static [u8] = b"feed";

    /// The feed in `account`, or `error` when it is none.
    #[inline(always)]
    pub fn load(
        account: &AccountView,
        error: impl Into<ProgramError> + Copy,
    ) -> Result<&mut Self, ProgramError> {
        account::load(account, error)
    }

    /// The observation of a round, while the ring holds it (F-3).
    #[inline(always)]
    pub fn observation(&self, round: u64) -> Option<&Observation> {
        let count = self.count.get();
        if round == 0 || round > count || count - round >= RING as u64 {
            return None;
        }
        Some(&self.ring[(round - 1) as usize % RING])
    }

    /// Remembers the observation of a round.
    #[inline(always)]
    pub fn put(&mut self, round: u64, observation: &Observation) {
        self.ring[round.wrapping_sub(1) as usize % RING] = *observation;
    }
}

/// A borsh vector of observations.
pub struct Observations;

impl Borsh for Observations {
    type View<'a> = &'a [Observation];
    const MIN: usize = 4;
    const MAX: usize = 4 + MAX_BATCH * size_of::<Observation>();

    #[inline(always)]
    fn read<'a>(reader: &mut Reader<'a>) -> Result<&'a [Observation], ProgramError> {
        let count = u32::read(reader)? as usize;
        // an absurd count cannot be multiplied past what the data holds
        let bytes = reader.bytes(count.saturating_mul(size_of::<Observation>()))?;
        // SAFETY: `count` observations of alignment 1, any bits valid, lie in `bytes`.
        Ok(unsafe { core::slice::from_raw_parts(bytes.as_ptr() as *const Observation, count) })
    }

    fn write<const N: usize>(view: &[Observation], writer: &mut Writer<N>) {
        writer.put(&(view.len() as u32).to_le_bytes());
        for observation in view {
            writer.put(&observation.value.get().to_le_bytes());
            writer.put(&observation.observed_at.get().to_le_bytes());
        }
    }
}
