// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::check_events,
    state::{count_entity, Scope, NONE},
    Error, ID, PROGRAM_DATA,
};
use kit::{
    account::{check_system_program, Payer},
    check,
};
use pinocchio::{AccountView, Address, ProgramResult};

// The loader's ProgramData: what it is (u32), the slot of the last change (u64), who may change
// the program (0 nobody, 1 and their address), the code.
const HAS_AUTHORITY: usize = 12;
const AUTHORITY: core::ops::Range<usize> = 13..45;

kit::accounts! {
    /// [signer] The program's upgrade authority.
    authority,
    /// [signer, writable] Pays the rent of what is created.
    payer,
    /// [writable] PDA `["counter"]`.
    counter,
    /// [writable] PDA `["scope", zero, 0]`.
    scope,
    /// [writable] PDA `["grant", scope, admin, 0]`.
    grant,
    /// [] Where the loader keeps the program.
    program_data,
    /// [] System program.
    system_program,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    admin: Address,
}

/// Opens the global scope and names its first admin, once.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.authority.is_signer(), kit::Error::NotSigner);
    check!(a.payer.is_signer(), kit::Error::NotSigner);
    check_system_program(a.system_program)?;
    check_events(a.event_authority, a.program)?;

    check!(is_upgrade_authority(&a), Error::NotUpgradeAuthority);
    check!(args.admin != &NONE, kit::Error::ZeroAddress);
    check!(!a.scope.owned_by(&ID), Error::AlreadyInitialized);

    let payer = Payer::new(a.payer);
    count_entity(&payer, a.counter)?;
    let actor = a.authority.address();
    Scope::open(
        &payer,
        a.scope,
        &NONE,
        0.into(),
        &[0; 32],
        a.grant,
        args.admin,
        actor,
        a.event_authority,
    )
}

/// Only the loader can make an account at its address for this program, so the address is enough.
#[inline(always)]
fn is_upgrade_authority(a: &Accounts) -> bool {
    if a.program_data.address() != &PROGRAM_DATA || a.program_data.data_len() < AUTHORITY.end {
        return false;
    }
    // SAFETY: nothing borrows the data.
    let data = unsafe { a.program_data.borrow_unchecked() };
    data[HAS_AUTHORITY] == 1 && &data[AUTHORITY] == a.authority.address().as_array()
}
