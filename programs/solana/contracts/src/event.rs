// SPDX-License-Identifier: Apache-2.0
//! Every event begins with the agreement, its `seq`, and who called. Amounts are the token's
//! smallest units, times unix seconds.
use kit::{borsh::Text, event::check_event_accounts};
use pinocchio::{AccountView, Address, ProgramResult};

/// The event authority and the program itself end the accounts of every instruction.
#[inline(always)]
pub fn check_events(authority: &AccountView, program: &AccountView) -> ProgramResult {
    check_event_accounts(authority, program, &crate::EVENT_AUTHORITY, &crate::ID)
}

kit::event! {
    AgreementProposed {
        agreement: Address,
        seq: u64,
        actor: Address,
        nonce: u64,
        seller: Address,
        buyer: Address,
        arbiter: Address,
        token: Address,
        commodity: [u8; 32],
        terms: [u8; 32],
        quantity: u64,
        price_total: u64,
        feed: Address,
        price_cap: u64,
        price_floor: u64,
        price_mul: u64,
        price_div: u64,
        seller_margin: u64,
        sign_by: i64,
        fund_by: i64,
        deliver_by: i64,
        accept_within: u32,
        rule_by: i64,
        default_split_bps: u16,
        status_after: u8,
        cid: Text,
        title: Text,
        unit: Text,
    }
}

kit::event! {
    AgreementSigned {
        agreement: Address,
        seq: u64,
        actor: Address,
        signer: Address,
        status_after: u8,
    }
}

kit::event! {
    AgreementFunded {
        agreement: Address,
        seq: u64,
        actor: Address,
        party: Address,
        amount: u64,
        funded_after: u64,
    }
}

kit::event! {
    AgreementActivated {
        agreement: Address,
        seq: u64,
        actor: Address,
        status_after: u8,
    }
}

kit::event! {
    DeliveryRecorded {
        agreement: Address,
        seq: u64,
        actor: Address,
        quantity: u64,
        evidence: [u8; 32],
        delivered_after: u64,
    }
}

kit::event! {
    DeliveryAccepted {
        agreement: Address,
        seq: u64,
        actor: Address,
        delivered: u64,
    }
}

kit::event! {
    DisputeOpened {
        agreement: Address,
        seq: u64,
        actor: Address,
        reason: [u8; 32],
        status_after: u8,
    }
}

kit::event! {
    DisputeRuled {
        agreement: Address,
        seq: u64,
        actor: Address,
        split_bps: u16,
    }
}

kit::event! {
    PriceFixed {
        agreement: Address,
        seq: u64,
        actor: Address,
        round: u64,
        price: u64,
    }
}

kit::event! {
    AgreementSettled {
        agreement: Address,
        seq: u64,
        actor: Address,
        owed_seller: u64,
        owed_buyer: u64,
        status_after: u8,
    }
}

kit::event! {
    CancelRequested {
        agreement: Address,
        seq: u64,
        actor: Address,
    }
}

kit::event! {
    AgreementCancelled {
        agreement: Address,
        seq: u64,
        actor: Address,
        owed_seller: u64,
        owed_buyer: u64,
        status_after: u8,
    }
}

kit::event! {
    Withdrawn {
        agreement: Address,
        seq: u64,
        actor: Address,
        party: Address,
        amount: u64,
        paid_after: u64,
    }
}
