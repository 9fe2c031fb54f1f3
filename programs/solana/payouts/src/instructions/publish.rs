// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, PoolPublished},
    state::{Pool, Status},
    Error,
};
use kit::{
    borsh::{Text, MAX_TEXT},
    check, sysvar,
};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] The operator.
    operator,
    /// [writable] The pool.
    pool,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    root: [u8; 32],
    total: u64,
    leaf_count: u32,
    manifest: [u8; 32],
    cid: Text,
}

/// Publishes who gets how much (P-7).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.operator.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let pool = Pool::load(a.pool)?;

    let now = sysvar::now()?;
    check!(a.operator.address() == &pool.operator, Error::NotOperator);
    check!(pool.is_unpublished(), Error::WrongStatus);
    check!(pool.present(now)? >= pool.closes_at.get(), Error::TooEarly);
    check!(now <= pool.publish_by.get(), Error::TooLate);
    check!(args.root != &[0; 32], Error::InvalidRoot);
    check!(args.leaf_count > 0, Error::InvalidRoot);
    check!(args.total > 0, Error::InsufficientFunds);
    check!(args.total <= pool.funded.get(), Error::InsufficientFunds);
    check!(args.cid.len() <= MAX_TEXT, kit::Error::TextTooLong);

    let claims_open_at = now.saturating_add(pool.challenge_delay.get() as i64);
    pool.status = Status::Published as u8;
    pool.claims_open_at = claims_open_at.into();
    pool.root = *args.root;
    pool.total = args.total.into();
    pool.unclaimed = args.total.into();
    pool.leaf_count = args.leaf_count.into();
    pool.manifest = *args.manifest;
    let seq = pool.next_seq()?;

    PoolPublished {
        pool: a.pool.address(),
        seq,
        actor: a.operator.address(),
        root: args.root,
        total: args.total,
        leaf_count: args.leaf_count,
        manifest: args.manifest,
        claims_open_at,
        status_after: pool.status,
        cid: args.cid,
    }
    .emit(a.event_authority);
    Ok(())
}
