// SPDX-License-Identifier: Apache-2.0
//! One file per instruction: its accounts and arguments, checks, effects, transfers, event.
pub mod allocate;
pub mod claim;
pub mod close;
pub mod enter;
pub mod fire;
pub mod fund;
pub mod open;
pub mod publish;
pub mod reclaim;
pub mod redeem;
pub mod refund;
pub mod set_vendor;
pub mod veto;
