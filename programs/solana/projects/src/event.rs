// SPDX-License-Identifier: Apache-2.0
//! Every event begins with the project, its `seq`, and who called. Times are unix seconds.
use kit::{borsh::Text, event::check_event_accounts};
use pinocchio::{AccountView, Address, ProgramResult};

/// The event authority and the program itself end the accounts of every instruction.
#[inline(always)]
pub fn check_events(authority: &AccountView, program: &AccountView) -> ProgramResult {
    check_event_accounts(authority, program, &crate::EVENT_AUTHORITY, &crate::ID)
}

kit::event! {
    ProjectCreated {
        project: Address,
        seq: u64,
        actor: Address,
        nonce: u64,
        payouts: Address,
        kind: u8,
        organisation: [u8; 32],
        budget: u64,
        status_after: u8,
        cid: Text,
        title: Text,
    }
}

kit::event! {
    ProjectUpdated {
        project: Address,
        seq: u64,
        actor: Address,
        budget: u64,
        status_after: u8,
    }
}

kit::event! {
    MilestoneAdded {
        project: Address,
        seq: u64,
        actor: Address,
        milestone: u32,
        digest: [u8; 32],
        due_at: i64,
    }
}

kit::event! {
    MilestoneCompleted {
        project: Address,
        seq: u64,
        actor: Address,
        milestone: u32,
        evidence: [u8; 32],
        done_after: u32,
    }
}
