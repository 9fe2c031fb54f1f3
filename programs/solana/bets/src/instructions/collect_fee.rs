// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, FeeCollected},
    state::{Market, Status},
    Error,
};
use kit::{
    check,
    token::{self, check_token_owner, check_token_program},
};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] Anyone.
    actor,
    /// [writable] The market.
    market,
    /// [writable] PDA `["vault", market]`.
    vault,
    /// [writable] A token account that the fee recipient owns.
    destination,
    /// [] Classic SPL Token.
    token_program,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

/// Pays the fee to its recipient (B-15).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    check!(data.is_empty(), kit::Error::InvalidInstruction);
    check!(a.actor.is_signer(), kit::Error::NotSigner);
    check_token_program(a.token_program)?;
    check_events(a.event_authority, a.program)?;
    let market = Market::load(a.market)?;
    check!(a.vault.address() == &market.vault, kit::Error::WrongVault);
    check_token_owner(a.destination, &market.fee_recipient)?;

    check!(!market.is(Status::Open), Error::MarketNotSettled);
    let amount = market.fee.get();
    check!(amount > 0, Error::NoFee);
    check!(!market.fee_collected.get(), Error::FeeAlreadyCollected);

    market.fee_collected.set(true);
    let paid_after = market.paid.add(amount)?;
    let seq = market.next_seq()?;

    token::pay(a.vault, a.destination, a.market, amount, &market.seeds(&[market.bump]))?;

    FeeCollected {
        market: a.market.address(),
        seq,
        actor: a.actor.address(),
        recipient: &market.fee_recipient,
        amount,
        paid_after,
    }
    .emit(a.event_authority);
    Ok(())
}
