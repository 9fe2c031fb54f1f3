// SPDX-License-Identifier: Apache-2.0
//! One file per instruction: its accounts and arguments, checks, effects, transfers, event.
pub mod accept;
pub mod cancel;
pub mod close;
pub mod dispute;
pub mod fix_price;
pub mod fund;
pub mod propose;
pub mod record_delivery;
pub mod rule;
pub mod settle;
pub mod sign;
pub mod sign_by_sig;
pub mod withdraw;
