// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, BetPlaced},
    state::{Market, Position, Status},
    Error, ID,
};
use kit::{
    account::{check_system_program, Payer},
    check, sysvar,
    token::{self, check_token_program},
};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] Whose stake it is; signs for `source` as its owner or delegate.
    bettor,
    /// [signer, writable] Pays the rent of a new position.
    payer,
    /// [writable] The market.
    market,
    /// [writable] PDA `["position", market, bettor, outcome]`.
    position,
    /// [writable] The token account that the stake comes from.
    source,
    /// [writable] PDA `["vault", market]`.
    vault,
    /// [] Classic SPL Token.
    token_program,
    /// [] System program.
    system_program,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    outcome: u8,
    amount: u64,
}

/// Places a bet (B-6 to B-8).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.bettor.is_signer(), kit::Error::NotSigner);
    check!(a.payer.is_signer(), kit::Error::NotSigner);
    check_token_program(a.token_program)?;
    check_system_program(a.system_program)?;
    check_events(a.event_authority, a.program)?;
    let market = Market::load(a.market)?;
    check!(a.vault.address() == &market.vault, kit::Error::WrongVault);

    check!(market.is(Status::Open), Error::MarketNotOpen);
    check!(sysvar::now()? < market.close_at.get(), Error::BettingClosed);
    check!(args.outcome < market.outcome_count, Error::InvalidOutcome);
    check!(args.amount > 0, kit::Error::ZeroAmount);

    let position = if a.position.owned_by(&ID) {
        let position = Position::load(a.position, a.market.address())?;
        check!(&position.bettor == a.bettor.address(), Error::WrongPosition);
        check!(position.outcome == args.outcome, Error::WrongPosition);
        position
    } else {
        market.positions.add(1)?;
        let payer = Payer::new(a.payer);
        Position::create(&payer, a.position, a.market.address(), a.bettor.address(), args.outcome)?
    };
    let total_after = market.total.add(args.amount)?;
    let pool_after = market.pools[args.outcome as usize & 15].add(args.amount)?;
    let stake_after = position.stake.add(args.amount)?;
    let seq = market.next_seq()?;

    token::transfer(a.source, a.vault, a.bettor, args.amount)?;

    BetPlaced {
        market: a.market.address(),
        seq,
        actor: a.bettor.address(),
        bettor: a.bettor.address(),
        outcome: args.outcome,
        amount: args.amount,
        stake_after,
        pool_after,
        total_after,
    }
    .emit(a.event_authority);
    Ok(())
}
