// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, DisputeRuled},
    state::{Agreement, Status, BPS},
    Error,
};
use kit::{check, sysvar};
use pinocchio::{AccountView, ProgramResult};

kit::accounts! {
    /// [signer] The arbiter.
    arbiter,
    /// [writable] The agreement.
    agreement,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    split_bps: u16,
}

/// The arbiter rules how the delivered part is split.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.arbiter.is_signer(), kit::Error::NotSigner);
    check_events(a.event_authority, a.program)?;
    let agreement = Agreement::load(a.agreement)?;

    check!(a.arbiter.address() == &agreement.arbiter, Error::NotArbiter);
    check!(agreement.is(Status::Disputed), Error::WrongStatus);
    check!(args.split_bps as u64 <= BPS, Error::InvalidSplit);
    check!(!agreement.ruled.get(), Error::AlreadyRuled);
    check!(sysvar::now()? <= agreement.rule_by.get(), Error::TooLate);

    agreement.ruled.set(true);
    agreement.split_bps.set(args.split_bps);
    let seq = agreement.step()?;

    DisputeRuled {
        agreement: a.agreement.address(),
        seq,
        actor: a.arbiter.address(),
        split_bps: args.split_bps,
    }
    .emit(a.event_authority);
    Ok(())
}
