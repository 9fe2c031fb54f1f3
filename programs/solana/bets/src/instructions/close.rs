// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, MarketClosed},
    state::{Market, Status},
    Error,
};
use kit::{
    account, check,
    int::sub,
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
    /// [writable] A token account that the fee recipient owns; not looked at when the vault is empty.
    destination,
    /// [writable] Who paid the market's rent.
    rent_payer,
    /// [] Classic SPL Token.
    token_program,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

/// Closes a market without positions; what rounding left goes to the fee recipient (B-17).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    check!(data.is_empty(), kit::Error::InvalidInstruction);
    check!(a.actor.is_signer(), kit::Error::NotSigner);
    check_token_program(a.token_program)?;
    check_events(a.event_authority, a.program)?;
    let market = Market::load(a.market)?;
    check!(a.vault.address() == &market.vault, kit::Error::WrongVault);
    check!(a.rent_payer.address() == &market.rent_payer, kit::Error::WrongRentPayer);

    check!(!market.is(Status::Open), Error::MarketNotSettled);
    check!(market.positions.get() == 0, Error::PositionsLeft);
    check!(market.fee.get() == 0 || market.fee_collected.get(), Error::FeeNotCollected);

    // An account closes only when it is empty, so donations leave with the dust.
    let held = token::balance(a.vault);
    let dust = sub(market.total.get(), market.paid.get())?;
    market.paid.add(dust)?;
    let seq = market.next_seq()?;

    let bump = [market.bump];
    let seeds = market.seeds(&bump);
    if held > 0 {
        check_token_owner(a.destination, &market.fee_recipient)?;
        token::pay(a.vault, a.destination, a.market, held, &seeds)?;
    }
    token::close_vault(a.vault, a.rent_payer, a.market, &seeds)?;

    MarketClosed {
        market: a.market.address(),
        seq,
        actor: a.actor.address(),
        dust,
        paid_after: market.paid.get(),
    }
    .emit(a.event_authority);
    account::close(a.market, a.rent_payer)
}
