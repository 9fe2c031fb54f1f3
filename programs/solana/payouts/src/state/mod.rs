// SPDX-License-Identifier: Apache-2.0
mod counter;
mod entry;
mod page;
mod part;
mod pool;
mod receipt;
mod vendor;
mod voucher;

pub use counter::count;
pub use entry::Entry;
pub use page::Page;
pub use part::{Part, Place};
pub use pool::{Pool, Status, KINDS, NONE, ROUND};
pub use receipt::Receipt;
pub use vendor::Vendor;
pub use voucher::Voucher;
