// SPDX-License-Identifier: Apache-2.0
//! One file per instruction: its accounts and arguments, checks, effects, events.
pub mod open;
pub mod publish;
