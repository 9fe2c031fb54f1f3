// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, AgreementProposed},
    state::{count, Agreement, Status, BPS, NONE},
    Error, ID,
};
use feed::Feed;
use kit::{
    account::{self, check_system_program, Payer},
    borsh::{Text, MAX_TEXT},
    check,
    sysvar::{self, is_within},
    token::{self, check_mint, check_token_program},
};
use pinocchio::{AccountView, Address, ProgramResult};

kit::accounts! {
    /// [signer] The seller or the buyer.
    proposer,
    /// [signer, writable] Pays the rent of what is created.
    payer,
    /// [writable] PDA `["counter"]`.
    counter,
    /// [writable] PDA `["creator", proposer]`.
    creator_counter,
    /// [writable] PDA `["agreement", proposer, nonce]`, nonce being the creator counter's.
    agreement,
    /// [writable] PDA `["vault", agreement]`.
    vault,
    /// [] The mint that the agreement is in.
    token,
    /// [] The feed that the price follows; the zero address (the system program) for none.
    feed,
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
    seller: Address,
    buyer: Address,
    arbiter: Address,
    commodity: [u8; 32],
    terms: [u8; 32],
    quantity: u64,
    price_total: u64,
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
    cid: Text,
    title: Text,
    unit: Text,
}

/// Proposes an agreement.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.proposer.is_signer(), kit::Error::NotSigner);
    check!(a.payer.is_signer(), kit::Error::NotSigner);
    check_token_program(a.token_program)?;
    check_system_program(a.system_program)?;
    check_events(a.event_authority, a.program)?;
    check_rules(&a, &args)?;

    let proposer = a.proposer.address();
    let payer = Payer::new(a.payer);
    let nonce = count(&payer, a.counter, a.creator_counter, proposer)?;
    let seeds = [Agreement::SEED, proposer.as_array(), nonce.as_bytes()];
    let (agreement, bump) =
        account::create::<Agreement, 3>(&payer, a.agreement, seeds, Error::WrongAgreement)?;
    agreement.proposer = *proposer;
    agreement.nonce = nonce;
    agreement.seller = *args.seller;
    agreement.buyer = *args.buyer;
    agreement.arbiter = *args.arbiter;
    agreement.token = *a.token.address();
    agreement.vault = *a.vault.address();
    agreement.rent_payer = *a.payer.address();
    agreement.commodity = *args.commodity;
    agreement.terms = *args.terms;
    agreement.feed = *a.feed.address();
    agreement.quantity = args.quantity.into();
    agreement.price_total = args.price_total.into();
    agreement.price_cap = args.price_cap.into();
    agreement.price_floor = args.price_floor.into();
    agreement.price_mul = args.price_mul.into();
    agreement.price_div = args.price_div.into();
    agreement.seller_margin = args.seller_margin.into();
    agreement.sign_by = args.sign_by.into();
    agreement.fund_by = args.fund_by.into();
    agreement.deliver_by = args.deliver_by.into();
    agreement.accept_within = args.accept_within.into();
    agreement.rule_by = args.rule_by.into();
    agreement.default_split_bps = args.default_split_bps.into();
    agreement.bump = bump;
    let seq = agreement.next_seq()?;

    token::create_vault(&payer, a.vault, a.token, a.agreement.address(), &ID)?;
    announce(&a, &args, seq, nonce.get());
    Ok(())
}

#[inline(always)]
fn check_rules(a: &Accounts, args: &Args) -> ProgramResult {
    let proposer = a.proposer.address();
    check!(proposer == args.seller || proposer == args.buyer, Error::NotParty);
    check!(args.seller != args.buyer, Error::InvalidParties);
    check!(args.arbiter != args.seller, Error::InvalidParties);
    check!(args.arbiter != args.buyer, Error::InvalidParties);
    check!(args.seller != &NONE, Error::InvalidParties);
    check!(args.buyer != &NONE, Error::InvalidParties);
    check!(args.arbiter != &NONE, Error::InvalidParties);
    check!(args.quantity > 0, kit::Error::ZeroAmount);
    check!(args.price_total > 0, kit::Error::ZeroAmount);
    let escrow = if a.feed.address() == &NONE {
        check!(
            args.price_cap | args.price_floor | args.price_mul | args.price_div == 0,
            Error::InvalidPrice
        );
        args.price_total
    } else {
        check!(0 < args.price_floor, Error::InvalidPrice);
        check!(args.price_floor <= args.price_total, Error::InvalidPrice);
        check!(args.price_total <= args.price_cap, Error::InvalidPrice);
        check!(args.price_mul > 0, Error::InvalidPrice);
        check!(args.price_div > 0, Error::InvalidPrice);
        // read for its checks: owner, length, discriminator
        Feed::load(a.feed, Error::WrongFeed)?;
        args.price_cap
    };
    check!(escrow.checked_add(args.seller_margin).is_some(), kit::Error::Overflow);
    check!(args.default_split_bps as u64 <= BPS, Error::InvalidSplit);
    let answer = args.accept_within as i64;
    let answer_by = args.deliver_by.saturating_add(answer);
    check!(is_within(sysvar::now()?, args.sign_by), Error::InvalidDeadlines);
    check!(is_within(args.sign_by, args.fund_by), Error::InvalidDeadlines);
    check!(is_within(args.fund_by, args.deliver_by), Error::InvalidDeadlines);
    check!(is_within(0, answer), Error::InvalidDeadlines);
    check!(is_within(answer_by, args.rule_by), Error::InvalidDeadlines);
    let text = args.cid.len() + args.title.len() + args.unit.len();
    check!(text <= MAX_TEXT, kit::Error::TextTooLong);
    check_mint(a.token)
}

#[inline(always)]
fn announce(a: &Accounts, args: &Args, seq: u64, nonce: u64) {
    AgreementProposed {
        agreement: a.agreement.address(),
        seq,
        actor: a.proposer.address(),
        nonce,
        seller: args.seller,
        buyer: args.buyer,
        arbiter: args.arbiter,
        token: a.token.address(),
        commodity: args.commodity,
        terms: args.terms,
        quantity: args.quantity,
        price_total: args.price_total,
        feed: a.feed.address(),
        price_cap: args.price_cap,
        price_floor: args.price_floor,
        price_mul: args.price_mul,
        price_div: args.price_div,
        seller_margin: args.seller_margin,
        sign_by: args.sign_by,
        fund_by: args.fund_by,
        deliver_by: args.deliver_by,
        accept_within: args.accept_within,
        rule_by: args.rule_by,
        default_split_bps: args.default_split_bps,
        status_after: Status::PendingSignature as u8,
        cid: args.cid,
        title: args.title,
        unit: args.unit,
    }
    .emit(a.event_authority);
}
