// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, MarketResolved, MarketVoided},
    state::{Market, Status},
    Error,
};
use kit::{
    check,
    int::{mul_div, sub},
    sysvar,
};
use pinocchio::{AccountView, ProgramResult};

const BPS: u64 = 10_000;

kit::accounts! {
    /// [signer] The market's resolver.
    resolver,
    /// [writable] The market.
    market,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    outcome: u8,
}

/// Names the winning outcome and fixes fee and net (B-9 to B-11).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.resolver.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let market = Market::load(a.market)?;

    let now = sysvar::now()?;
    check!(a.resolver.address() == &market.resolver, Error::NotResolver);
    check!(market.is(Status::Open), Error::MarketNotOpen);
    check!(market.close_at.get() <= now, Error::TooEarly);
    check!(now <= market.resolve_by.get(), Error::TooLate);
    check!(args.outcome < market.outcome_count, Error::InvalidOutcome);

    let seq = market.next_seq()?;
    let total = market.total.get();
    let winning_pool = market.pools[args.outcome as usize & 15].get();
    if winning_pool == 0 {
        market.void();
        MarketVoided {
            market: a.market.address(),
            seq,
            actor: a.resolver.address(),
            status_after: market.status,
        }
        .emit(a.event_authority);
        return Ok(());
    }
    let fee = mul_div(sub(total, winning_pool)?, market.fee_bps.get() as u64, BPS)?;
    let net = sub(total, fee)?;
    market.status = Status::Resolved as u8;
    market.outcome = args.outcome;
    market.winning_pool.set(winning_pool);
    market.fee.set(fee);
    market.net.set(net);

    MarketResolved {
        market: a.market.address(),
        seq,
        actor: a.resolver.address(),
        outcome: args.outcome,
        winning_pool,
        fee,
        net,
        status_after: market.status,
    }
    .emit(a.event_authority);
    Ok(())
}
