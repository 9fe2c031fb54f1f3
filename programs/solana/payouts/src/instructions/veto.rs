// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, PoolVetoed},
    state::{Pool, Status},
    Error,
};
use kit::{check, sysvar};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] The guardian.
    guardian,
    /// [writable] The pool.
    pool,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

/// Forgets what was published (P-8).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    check!(data.is_empty(), kit::Error::InvalidInstruction);
    check!(a.guardian.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let pool = Pool::load(a.pool)?;

    check!(a.guardian.address() == &pool.guardian, Error::NotGuardian);
    check!(pool.is(Status::Published), Error::WrongStatus);
    check!(sysvar::now()? < pool.claims_open_at.get(), Error::TooLate);

    pool.status = Status::Vetoed as u8;
    pool.claims_open_at.set(0);
    pool.root = [0; 32];
    pool.manifest = [0; 32];
    pool.total.set(0);
    pool.unclaimed.set(0);
    pool.leaf_count.set(0);
    let seq = pool.next_seq()?;

    PoolVetoed {
        pool: a.pool.address(),
        seq,
        actor: a.guardian.address(),
        status_after: pool.status,
    }
    .emit(a.event_authority);
    Ok(())
}
