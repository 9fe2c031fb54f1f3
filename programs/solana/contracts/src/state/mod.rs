// SPDX-License-Identifier: Apache-2.0
mod agreement;
mod counter;

pub use agreement::{Agreement, Status, BPS, NONE};
pub use counter::count;
