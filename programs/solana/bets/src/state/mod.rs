// SPDX-License-Identifier: Apache-2.0
mod counter;
mod market;
mod position;

pub use counter::count;
pub use market::{Market, Status, NO_OUTCOME};
pub use position::Position;
