// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, PoolOpened},
    state::{count, Pool, Status, KINDS, NONE, ROUND},
    Error, ID,
};
use feed::Feed;
use kit::{
    account::{self, check_system_program, Payer},
    borsh::{Text, MAX_TEXT},
    check,
    sysvar::{self, MAX_PERIOD},
    token::{self, check_mint, check_token_program},
};
use pinocchio::{AccountView, Address, ProgramResult};
use project::Project;

/// Longest time from one deadline to the next, seconds: ten years of 365 days.
const TEN_YEARS: i64 = 3650 * 24 * 60 * 60;
/// Claims are open for at least this long, seconds: seven days.
const MIN_CLAIM_TIME: i64 = 7 * 24 * 60 * 60;

kit::accounts! {
    /// [signer] Who opens the pool; in a project its owner.
    creator,
    /// [signer, writable] Pays the rent of what is created.
    payer,
    /// [writable] PDA `["counter"]`.
    counter,
    /// [writable] PDA `["creator", creator]`.
    creator_counter,
    /// [writable] PDA `["pool", creator, nonce]`, nonce being the creator counter's.
    pool,
    /// [writable] PDA `["vault", pool]`.
    vault,
    /// [] The mint that the pool is in.
    token,
    /// [] The project that the pool is opened in; the zero address (the system program) for none.
    project,
    /// [] The trigger's feed; the zero address (the system program) for no trigger.
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
    operator: Address,
    guardian: Address,
    kind: u8,
    record: [u8; 32],
    by_height: bool,
    opens_at: u64,
    closes_at: u64,
    entry_fee: u64,
    publish_by: i64,
    challenge_delay: u32,
    expires_at: i64,
    comparator: u8,
    threshold: i128,
    trigger_by: i64,
    cid: Text,
    title: Text,
}

/// Opens a pool (P-1 to P-4).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.creator.is_signer(), kit::Error::NotSigner);
    check!(a.payer.is_signer(), kit::Error::NotSigner);
    check_token_program(a.token_program)?;
    check_system_program(a.system_program)?;
    check_events(a.event_authority, a.program)?;
    let now = sysvar::now()?;
    check_rules(&a, &args, now)?;

    let creator = a.creator.address();
    let payer = Payer::new(a.payer);
    let nonce = count(&payer, a.counter, a.creator_counter, creator)?;
    let seeds = [Pool::SEED, creator.as_array(), nonce.as_bytes()];
    let (pool, bump) = account::create::<Pool, 3>(&payer, a.pool, seeds, Error::WrongPool)?;
    pool.creator = *creator;
    pool.nonce = nonce;
    pool.operator = *args.operator;
    pool.guardian = *args.guardian;
    pool.token = *a.token.address();
    pool.vault = *a.vault.address();
    pool.rent_payer = *a.payer.address();
    pool.project = *a.project.address();
    pool.record = *args.record;
    pool.feed = *a.feed.address();
    pool.threshold = args.threshold.into();
    pool.opens_at = args.opens_at.into();
    pool.closes_at = args.closes_at.into();
    pool.entry_fee = args.entry_fee.into();
    pool.publish_by = args.publish_by.into();
    pool.expires_at = args.expires_at.into();
    pool.trigger_by = args.trigger_by.into();
    pool.created_at = now.into();
    pool.challenge_delay = args.challenge_delay.into();
    pool.kind = args.kind;
    pool.by_height.set(args.by_height);
    pool.comparator = args.comparator;
    pool.bump = bump;
    let seq = pool.next_seq()?;

    token::create_vault(&payer, a.vault, a.token, a.pool.address(), &ID)?;
    announce(&a, &args, seq, nonce.get());
    Ok(())
}

#[inline(always)]
fn check_rules(a: &Accounts, args: &Args, now: i64) -> ProgramResult {
    check!(args.kind < KINDS, kit::Error::InvalidInstruction);
    if a.project.address() != &NONE {
        let project = Project::load(a.project, Error::WrongProject)?;
        check!(project.is(project::Status::Active), Error::WrongStatus);
        check!(a.creator.address() == &project.owner, Error::NotOwner);
    }
    check!(args.operator != &NONE, kit::Error::ZeroAddress);
    if args.kind == ROUND {
        check!(args.opens_at < args.closes_at, Error::InvalidWindow);
        let by_time = !args.by_height;
        check!(!by_time || args.closes_at > now.max(0) as u64, Error::InvalidWindow);
        check!(!by_time || args.closes_at < args.publish_by.max(0) as u64, Error::InvalidWindow);
    } else {
        check!(args.opens_at | args.closes_at | args.entry_fee == 0, Error::InvalidWindow);
        check!(!args.by_height, Error::InvalidWindow);
    }
    let delay = args.challenge_delay as i64;
    check!(now < args.publish_by, Error::InvalidDeadlines);
    check!(args.publish_by <= now.saturating_add(TEN_YEARS), Error::InvalidDeadlines);
    check!(delay <= MAX_PERIOD, Error::InvalidDeadlines);
    let opened_by = args.publish_by.saturating_add(delay);
    check!(args.expires_at >= opened_by.saturating_add(MIN_CLAIM_TIME), Error::InvalidDeadlines);
    // without a trigger trigger_by is 0, which is checked below
    let last = args.publish_by.max(args.trigger_by);
    check!(args.expires_at <= last.saturating_add(TEN_YEARS), Error::InvalidDeadlines);
    if a.feed.address() == &NONE {
        check!(args.comparator == 0, Error::InvalidTrigger);
        check!(args.threshold == 0, Error::InvalidTrigger);
        check!(args.trigger_by == 0, Error::InvalidTrigger);
    } else {
        let fired_by = args.trigger_by.saturating_add(MIN_CLAIM_TIME);
        check!(args.expires_at >= fired_by, Error::InvalidDeadlines);
        let latest = args.publish_by.saturating_add(TEN_YEARS);
        check!(args.trigger_by <= latest, Error::InvalidDeadlines);
        check!(args.comparator == 1 || args.comparator == 2, Error::InvalidTrigger);
        check!(now < args.trigger_by, Error::InvalidTrigger);
        // read for its checks: owner, length, discriminator
        Feed::load(a.feed, Error::WrongFeed)?;
    }
    check!(args.cid.len() + args.title.len() <= MAX_TEXT, kit::Error::TextTooLong);
    check_mint(a.token)
}

#[inline(always)]
fn announce(a: &Accounts, args: &Args, seq: u64, nonce: u64) {
    PoolOpened {
        pool: a.pool.address(),
        seq,
        actor: a.creator.address(),
        nonce,
        operator: args.operator,
        guardian: args.guardian,
        token: a.token.address(),
        kind: args.kind,
        project: a.project.address(),
        record: args.record,
        by_height: args.by_height,
        opens_at: args.opens_at,
        closes_at: args.closes_at,
        entry_fee: args.entry_fee,
        publish_by: args.publish_by,
        challenge_delay: args.challenge_delay,
        expires_at: args.expires_at,
        feed: a.feed.address(),
        comparator: args.comparator,
        threshold: args.threshold,
        trigger_by: args.trigger_by,
        status_after: Status::Funding as u8,
        cid: args.cid,
        title: args.title,
    }
    .emit(a.event_authority);
}
