// SPDX-License-Identifier: Apache-2.0
//! Every event begins with its entity, the entity's `seq`, and who called. Times are unix
//! seconds. A profile's id is its wallet.
use crate::state::Tags;
use kit::{borsh::Text, event::check_event_accounts};
use pinocchio::{AccountView, Address, ProgramResult};

/// The event authority and the program itself end the accounts of every instruction.
#[inline(always)]
pub fn check_events(authority: &AccountView, program: &AccountView) -> ProgramResult {
    check_event_accounts(authority, program, &crate::EVENT_AUTHORITY, &crate::ID)
}

kit::event! {
    ScopeOpened {
        scope: Address,
        seq: u64,
        actor: Address,
        nonce: u64,
        kind: u8,
        subject: [u8; 32],
    }
}

kit::event! {
    RoleGranted {
        scope: Address,
        seq: u64,
        actor: Address,
        account: Address,
        role: u8,
        held_after: bool,
        admins_after: u32,
    }
}

kit::event! {
    RoleRevoked {
        scope: Address,
        seq: u64,
        actor: Address,
        account: Address,
        role: u8,
        held_after: bool,
        admins_after: u32,
    }
}

kit::event! {
    Announced {
        scope: Address,
        seq: u64,
        actor: Address,
        digest: [u8; 32],
        cid: Text,
        title: Text,
    }
}

kit::event! {
    ProfileSet {
        profile: Address,
        seq: u64,
        actor: Address,
        metadata: [u8; 32],
        status_after: u8,
        handle: Text,
        cid: Text,
    }
}

kit::event! {
    WalletLinked {
        profile: Address,
        seq: u64,
        actor: Address,
        wallet: Address,
        linked_after: u32,
    }
}

kit::event! {
    WalletUnlinked {
        profile: Address,
        seq: u64,
        actor: Address,
        wallet: Address,
        linked_after: u32,
    }
}

kit::event! {
    ProfileStatusSet {
        profile: Address,
        seq: u64,
        actor: Address,
        status_after: u8,
    }
}

kit::event! {
    AttestationIssued {
        attestation: Address,
        seq: u64,
        actor: Address,
        nonce: u64,
        scope: Address,
        subject: Address,
        kind: u16,
        digest: [u8; 32],
        expires_at: i64,
    }
}

kit::event! {
    AttestationRevoked {
        attestation: Address,
        seq: u64,
        actor: Address,
    }
}

kit::event! {
    RecordCreated {
        record: Address,
        seq: u64,
        actor: Address,
        nonce: u64,
        kind: u8,
        parent: Address,
        digest: [u8; 32],
        wistia: [u8; 32],
        visibility_after: u8,
        status_after: u8,
        cid: Text,
        title: Text,
        tags: Tags,
    }
}

kit::event! {
    RecordUpdated {
        record: Address,
        seq: u64,
        actor: Address,
        digest: [u8; 32],
        wistia: [u8; 32],
        cid: Text,
        title: Text,
        tags: Tags,
    }
}

kit::event! {
    RecordVisibilitySet {
        record: Address,
        seq: u64,
        actor: Address,
        visibility_after: u8,
    }
}

kit::event! {
    RecordRetired {
        record: Address,
        seq: u64,
        actor: Address,
        status_after: u8,
    }
}

kit::event! {
    PlaylistCreated {
        playlist: Address,
        seq: u64,
        actor: Address,
        nonce: u64,
        digest: [u8; 32],
        entries: u32,
        visibility_after: u8,
        cid: Text,
        title: Text,
    }
}

kit::event! {
    PlaylistUpdated {
        playlist: Address,
        seq: u64,
        actor: Address,
        digest: [u8; 32],
        entries: u32,
        visibility_after: u8,
        cid: Text,
        title: Text,
    }
}
