// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, MarketOpened},
    state::{count, Market, Status, NO_OUTCOME},
    Error, ID,
};
use kit::{
    account::{self, check_system_program, Payer},
    borsh::{Text, MAX_TEXT},
    check, sysvar,
    token::{self, check_mint, check_token_program},
};
use pinocchio::{AccountView, Address, ProgramResult};

const MAX_FEE_BPS: u16 = 1000;
const ZERO: Address = Address::new_from_array([0; 32]);

kit::accounts! {
    /// [signer] Who opens the market.
    creator,
    /// [signer, writable] Pays the rent of what is created.
    payer,
    /// [writable] PDA `["counter"]`.
    counter,
    /// [writable] PDA `["creator", creator]`.
    creator_counter,
    /// [writable] PDA `["market", creator, nonce]`, nonce being the creator counter's.
    market,
    /// [writable] PDA `["vault", market]`.
    vault,
    /// [] The mint that the market is in.
    token,
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
    resolver: Address,
    fee_recipient: Address,
    subject: [u8; 32],
    question: [u8; 32],
    outcome_count: u8,
    close_at: i64,
    resolve_by: i64,
    fee_bps: u16,
    cid: Text,
    title: Text,
}

/// Opens a market (B-1 to B-5).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.creator.is_signer(), kit::Error::NotSigner);
    check!(a.payer.is_signer(), kit::Error::NotSigner);
    check_token_program(a.token_program)?;
    check_system_program(a.system_program)?;
    check_events(a.event_authority, a.program)?;

    let now = sysvar::now()?;
    check!(2 <= args.outcome_count && args.outcome_count <= 16, Error::InvalidOutcomeCount);
    check!(args.fee_bps <= MAX_FEE_BPS, Error::FeeTooHigh);
    check!(sysvar::is_within(now, args.close_at), Error::InvalidCloseTime);
    check!(sysvar::is_within(args.close_at, args.resolve_by), Error::InvalidResolveTime);
    check!(args.resolver != &ZERO, kit::Error::ZeroAddress);
    check!(args.fee_recipient != &ZERO, kit::Error::ZeroAddress);
    check!(args.cid.len() + args.title.len() <= MAX_TEXT, kit::Error::TextTooLong);
    check_mint(a.token)?;

    let creator = a.creator.address();
    let payer = Payer::new(a.payer);
    let nonce = count(&payer, a.counter, a.creator_counter, creator)?;
    let seeds = [Market::SEED, creator.as_array(), nonce.as_bytes()];
    let (market, bump) = account::create::<Market, 3>(&payer, a.market, seeds, Error::WrongMarket)?;
    market.creator = *creator;
    market.nonce = nonce;
    market.resolver = *args.resolver;
    market.token = *a.token.address();
    market.vault = *a.vault.address();
    market.fee_recipient = *args.fee_recipient;
    market.rent_payer = *a.payer.address();
    market.subject = *args.subject;
    market.question = *args.question;
    market.close_at = args.close_at.into();
    market.resolve_by = args.resolve_by.into();
    market.fee_bps = args.fee_bps.into();
    market.outcome_count = args.outcome_count;
    market.outcome = NO_OUTCOME;
    market.bump = bump;
    let seq = market.next_seq()?;

    token::create_vault(&payer, a.vault, a.token, a.market.address(), &ID)?;

    MarketOpened {
        market: a.market.address(),
        seq,
        actor: creator,
        nonce: nonce.get(),
        resolver: args.resolver,
        token: a.token.address(),
        subject: args.subject,
        question: args.question,
        outcome_count: args.outcome_count,
        close_at: args.close_at,
        resolve_by: args.resolve_by,
        fee_bps: args.fee_bps,
        fee_recipient: args.fee_recipient,
        status_after: Status::Open as u8,
        cid: args.cid,
        title: args.title,
    }
    .emit(a.event_authority);
    Ok(())
}
