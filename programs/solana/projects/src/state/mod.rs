// SPDX-License-Identifier: Apache-2.0
mod counter;

pub use counter::count;
