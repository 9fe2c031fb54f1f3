// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, Withdrawn},
    state::Agreement,
    Error,
};
use kit::{
    check,
    token::{self, check_token_owner, check_token_program},
};
use pinocchio::{AccountView, Address, ProgramResult};

kit::accounts! {
    /// [signer] Anyone.
    actor,
    /// [writable] The agreement.
    agreement,
    /// [writable] PDA `["vault", agreement]`.
    vault,
    /// [writable] A token account that the party owns.
    destination,
    /// [] Classic SPL Token.
    token_program,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    party: Address,
}

/// Pays a party what it is owed.
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.actor.is_signer(), kit::Error::NotSigner);
    check_token_program(a.token_program)?;
    check_events(a.event_authority, a.program)?;
    let agreement = Agreement::load(a.agreement)?;
    check!(a.vault.address() == &agreement.vault, kit::Error::WrongVault);
    check_token_owner(a.destination, args.party)?;

    check!(agreement.is_party(args.party), Error::NotParty);
    let sells = args.party == &agreement.seller;
    let amount = if sells { agreement.owed_seller.get() } else { agreement.owed_buyer.get() };
    check!(amount > 0, Error::NothingOwed);

    if sells {
        agreement.owed_seller.set(0);
    } else {
        agreement.owed_buyer.set(0);
    }
    let paid_after = agreement.paid.add(amount)?;
    let seq = agreement.next_seq()?;

    token::pay(a.vault, a.destination, a.agreement, amount, &agreement.seeds(&[agreement.bump]))?;

    Withdrawn {
        agreement: a.agreement.address(),
        seq,
        actor: a.actor.address(),
        party: args.party,
        amount,
        paid_after,
    }
    .emit(a.event_authority);
    Ok(())
}
