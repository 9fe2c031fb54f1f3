// SPDX-License-Identifier: Apache-2.0
//! One file per instruction: its accounts and arguments, checks, effects, transfers, event.
pub mod claim;
pub mod close;
pub mod close_position;
pub mod collect_fee;
pub mod open;
pub mod place;
pub mod resolve;
pub mod void;
