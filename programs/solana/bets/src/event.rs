// SPDX-License-Identifier: Apache-2.0
//! Every event begins with the market, its `seq`, and who called. Amounts are the token's
//! smallest units, times unix seconds.
use kit::{borsh::Text, event::check_event_accounts};
use pinocchio::{AccountView, Address, ProgramResult};

/// The event authority and the program itself end the accounts of every instruction.
#[inline(always)]
pub fn check_events(authority: &AccountView, program: &AccountView) -> ProgramResult {
    check_event_accounts(authority, program, &crate::EVENT_AUTHORITY, &crate::ID)
}

kit::event! {
    MarketOpened {
        market: Address,
        seq: u64,
        actor: Address,
        nonce: u64,
        resolver: Address,
        token: Address,
        subject: [u8; 32],
        question: [u8; 32],
        outcome_count: u8,
        close_at: i64,
        resolve_by: i64,
        fee_bps: u16,
        fee_recipient: Address,
        status_after: u8,
        cid: Text,
        title: Text,
    }
}

kit::event! {
    BetPlaced {
        market: Address,
        seq: u64,
        actor: Address,
        bettor: Address,
        outcome: u8,
        amount: u64,
        stake_after: u64,
        pool_after: u64,
        total_after: u64,
    }
}

kit::event! {
    MarketResolved {
        market: Address,
        seq: u64,
        actor: Address,
        outcome: u8,
        winning_pool: u64,
        fee: u64,
        net: u64,
        status_after: u8,
    }
}

kit::event! {
    MarketVoided {
        market: Address,
        seq: u64,
        actor: Address,
        status_after: u8,
    }
}

kit::event! {
    BetClaimed {
        market: Address,
        seq: u64,
        actor: Address,
        bettor: Address,
        outcome: u8,
        stake: u64,
        payout: u64,
        paid_after: u64,
    }
}

kit::event! {
    FeeCollected {
        market: Address,
        seq: u64,
        actor: Address,
        recipient: Address,
        amount: u64,
        paid_after: u64,
    }
}

kit::event! {
    PositionClosed {
        market: Address,
        seq: u64,
        actor: Address,
        bettor: Address,
        outcome: u8,
        rent_payer: Address,
    }
}

kit::event! {
    MarketClosed {
        market: Address,
        seq: u64,
        actor: Address,
        dust: u64,
        paid_after: u64,
    }
}
