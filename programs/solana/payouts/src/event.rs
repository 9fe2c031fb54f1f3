// SPDX-License-Identifier: Apache-2.0
//! Every event begins with the pool, its `seq`, and who called. Amounts are the token's smallest
//! units, times unix seconds.
use kit::{borsh::Text, event::check_event_accounts};
use pinocchio::{AccountView, Address, ProgramResult};

/// The event authority and the program itself end the accounts of every instruction.
#[inline(always)]
pub fn check_events(authority: &AccountView, program: &AccountView) -> ProgramResult {
    check_event_accounts(authority, program, &crate::EVENT_AUTHORITY, &crate::ID)
}

kit::event! {
    PoolOpened {
        pool: Address,
        seq: u64,
        actor: Address,
        nonce: u64,
        operator: Address,
        guardian: Address,
        token: Address,
        kind: u8,
        project: Address,
        record: [u8; 32],
        by_height: bool,
        opens_at: u64,
        closes_at: u64,
        entry_fee: u64,
        publish_by: i64,
        challenge_delay: u32,
        expires_at: i64,
        feed: Address,
        comparator: u8,
        threshold: i128,
        trigger_by: i64,
        status_after: u8,
        cid: Text,
        title: Text,
    }
}

kit::event! {
    PoolFunded {
        pool: Address,
        seq: u64,
        actor: Address,
        funder: Address,
        amount: u64,
        receipt_after: u64,
        funded_after: u64,
    }
}

kit::event! {
    RoundEntered {
        pool: Address,
        seq: u64,
        actor: Address,
        entrant: Address,
        record: [u8; 32],
        fee: u64,
        funded_after: u64,
    }
}

kit::event! {
    PoolPublished {
        pool: Address,
        seq: u64,
        actor: Address,
        root: [u8; 32],
        total: u64,
        leaf_count: u32,
        manifest: [u8; 32],
        claims_open_at: i64,
        status_after: u8,
        cid: Text,
    }
}

kit::event! {
    PoolVetoed {
        pool: Address,
        seq: u64,
        actor: Address,
        status_after: u8,
    }
}

kit::event! {
    TriggerFired {
        pool: Address,
        seq: u64,
        actor: Address,
        round: u64,
        value: i128,
    }
}

kit::event! {
    PayoutClaimed {
        pool: Address,
        seq: u64,
        actor: Address,
        account: Address,
        index: u64,
        amount: u64,
        unclaimed_after: u64,
    }
}

kit::event! {
    VoucherAllocated {
        pool: Address,
        seq: u64,
        actor: Address,
        account: Address,
        index: u64,
        amount: u64,
        voucher_after: u64,
        unclaimed_after: u64,
    }
}

kit::event! {
    VendorSet {
        pool: Address,
        seq: u64,
        actor: Address,
        vendor: Address,
        allowed: bool,
    }
}

kit::event! {
    VoucherRedeemed {
        pool: Address,
        seq: u64,
        actor: Address,
        account: Address,
        vendor: Address,
        amount: u64,
        nonce: u64,
        voucher_after: u64,
    }
}

kit::event! {
    FunderRefunded {
        pool: Address,
        seq: u64,
        actor: Address,
        funder: Address,
        amount: u64,
        status_after: u8,
    }
}
