// SPDX-License-Identifier: Apache-2.0
mod counter;
mod creator_counter;
mod market;
mod position;

pub use counter::Counter;
pub use creator_counter::CreatorCounter;
pub use market::{Market, Status, NO_OUTCOME};
pub use position::Position;
