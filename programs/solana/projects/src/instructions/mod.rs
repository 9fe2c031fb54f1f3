// SPDX-License-Identifier: Apache-2.0
//! One file per instruction: its accounts and arguments, checks, effects, event.
pub mod add_milestone;
pub mod complete_milestone;
pub mod create;
pub mod update;
