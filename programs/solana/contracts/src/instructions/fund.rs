// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, AgreementActivated, AgreementFunded},
    state::{Agreement, Status},
    Error,
};
use kit::{
    check, sysvar,
    token::{self, check_token_program},
};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] The buyer or the seller; signs for `source` as its owner or delegate.
    party,
    /// [writable] The agreement.
    agreement,
    /// [writable] The token account that the share comes from.
    source,
    /// [writable] PDA `["vault", agreement]`.
    vault,
    /// [] Classic SPL Token.
    token_program,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

/// A party pays in its share.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    check!(data.is_empty(), kit::Error::InvalidInstruction);
    check!(a.party.is_signer(), kit::Error::NotSigner);
    check_token_program(a.token_program)?;
    check_events(a.event_authority, a.program)?;
    let agreement = Agreement::load(a.agreement)?;
    check!(a.vault.address() == &agreement.vault, kit::Error::WrongVault);

    let party = a.party.address();
    check!(agreement.is_party(party), Error::NotParty);
    check!(agreement.is(Status::Signed), Error::WrongStatus);
    let buys = party == &agreement.buyer;
    let done = if buys { agreement.buyer_funded } else { agreement.seller_funded };
    check!(!done.get(), Error::AlreadyFunded);
    check!(sysvar::now()? <= agreement.fund_by.get(), Error::TooLate);

    let amount = if buys { agreement.escrow() } else { agreement.seller_margin.get() };
    if buys {
        agreement.buyer_funded.set(true);
    } else {
        agreement.seller_funded.set(true);
    }
    let funded_after = agreement.funded.add(amount)?;
    let seq = agreement.step()?;
    let active = agreement.buyer_funded.get() && agreement.seller_funded.get();
    if active {
        agreement.status = Status::Active as u8;
        agreement.next_seq()?;
    }

    token::transfer(a.source, a.vault, a.party, amount)?;

    AgreementFunded {
        agreement: a.agreement.address(),
        seq,
        actor: a.party.address(),
        party,
        amount,
        funded_after,
    }
    .emit(a.event_authority);
    if active {
        AgreementActivated {
            agreement: a.agreement.address(),
            seq: agreement.seq.get(),
            actor: party,
            status_after: agreement.status,
        }
        .emit(a.event_authority);
    }
    Ok(())
}
