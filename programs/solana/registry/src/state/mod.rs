// SPDX-License-Identifier: Apache-2.0
mod attestation;
mod counter;
mod grant;
mod link;
mod playlist;
mod profile;
mod record;
mod scope;
mod tags;

pub use attestation::Attestation;
pub use counter::{count, count_entity};
pub use grant::{check_role, Grant, Role, ROLES};
pub use link::Link;
use pinocchio::Address;
pub use playlist::Playlist;
pub use profile::{Profile, STATUSES};
pub use record::{Record, Status, KINDS, VISIBILITIES};
pub use scope::Scope;
pub use tags::Tags;

/// No record, no address.
pub const NONE: Address = Address::new_from_array([0; 32]);
