// SPDX-License-Identifier: Apache-2.0
//! Anchor events by self-call (G-5): the call's data is the event, and the signature of the
//! program's event authority proves that the program itself made it.
use crate::Error;
use core::mem::MaybeUninit;
use pinocchio::{
    cpi::{invoke_signed_unchecked, CpiAccount, Seed, Signer},
    instruction::{InstructionAccount, InstructionView},
    AccountView, Address, ProgramResult,
};

/// Anchor's tag of an event call: the first eight bytes of sha-256("anchor:event"), reversed.
pub const SELF_CALL: [u8; 8] = 0x1d9a_cb51_2ea5_45e4_u64.to_le_bytes();
pub const AUTHORITY_SEED: &[u8] = b"__event_authority";

/// The two accounts that end the list of every instruction with events.
#[inline(always)]
pub fn check_event_accounts(
    authority: &AccountView,
    program: &AccountView,
    authority_address: &Address,
    program_address: &Address,
) -> ProgramResult {
    check!(authority.address() == authority_address, Error::WrongEventAuthority);
    check!(program.address() == program_address, Error::WrongProgram);
    Ok(())
}

/// The receiving end of the self-call.
#[inline(always)]
pub fn accept(authority_address: &Address, accounts: &[AccountView]) -> ProgramResult {
    let [authority] = accounts else {
        return Err(Error::MissingAccount.into());
    };
    check!(authority.address() == authority_address, Error::WrongEventAuthority);
    check!(authority.is_signer(), Error::WrongEventAuthority);
    Ok(())
}

#[inline(always)]
pub fn emit(program: &Address, authority: &AccountView, bump: u8, data: &[u8]) {
    let bump = [bump];
    let seeds = [Seed::from(AUTHORITY_SEED), Seed::from(&bump)];
    let mut account = MaybeUninit::<CpiAccount>::uninit();
    CpiAccount::init_from_account_view(authority, &mut account);
    // SAFETY: the one account is read-only and has no data; it is initialised above.
    unsafe {
        invoke_signed_unchecked(
            &InstructionView {
                program_id: program,
                data,
                accounts: &[InstructionAccount::readonly_signer(authority.address())],
            },
            &[account.assume_init()],
            &[Signer::from(&seeds)],
        )
    }
}

/// Declares an event of the program that calls this: a struct whose fields, in order, are its
/// borsh layout.
#[macro_export]
#[allow(clippy::crate_in_macro_def)]
macro_rules! event {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        pub struct $name<'a> {
            $(pub $field: <$type as $crate::borsh::Borsh>::View<'a>,)+
        }

        impl $name<'_> {
            #[inline(always)]
            pub fn emit(&self, authority: &pinocchio::AccountView) {
                const MAX: usize = 16 $(+ <$type as $crate::borsh::Borsh>::MAX)+;
                let mut writer = $crate::borsh::Writer::<MAX>::new();
                writer.put(&$crate::event::SELF_CALL);
                writer.put(&const { $crate::discriminator(concat!("event:", stringify!($name))) });
                $(<$type as $crate::borsh::Borsh>::write(self.$field, &mut writer);)+
                $crate::event::emit(
                    &crate::ID,
                    authority,
                    crate::EVENT_AUTHORITY_BUMP,
                    writer.as_slice(),
                );
            }
        }
    };
}
