// SPDX-License-Identifier: Apache-2.0
//! Anchor events by self-call (G-5): the call's data is the event, and the signature of the
//! program's event authority proves that the program itself made it.
use crate::{borsh::Writer, Error};
use core::mem::MaybeUninit;
use pinocchio::{
    cpi::{CpiAccount, Seed, Signer},
    instruction::InstructionAccount,
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

/// Emits what `writer` holds, once for each of `changes`, which `change` makes first. The call is
/// laid out once.
#[inline(always)]
pub fn emit<const N: usize, T>(
    program: &Address,
    (authority, bump): (&AccountView, u8),
    writer: &mut Writer<N>,
    changes: impl IntoIterator<Item = T>,
    mut change: impl FnMut(&mut Writer<N>, T),
) {
    let bump = [bump];
    let seeds = [Seed::from(AUTHORITY_SEED), Seed::from(&bump)];
    let signer = Signer::from(&seeds);
    let meta = InstructionAccount::readonly_signer(authority.address());
    let mut account = MaybeUninit::<CpiAccount>::uninit();
    CpiAccount::init_from_account_view(authority, &mut account);
    let data = writer.as_slice();
    let (data, length) = (data.as_ptr(), data.len() as u64);
    let call = Call { program, metas: &meta, meta_count: 1, data, length };
    for each in changes {
        change(writer, each);
        // SAFETY: all is laid out as the syscall reads it, and the one account, initialised
        // above, is read-only and has no data.
        unsafe { invoke(&call, &account, &signer) }
    }
}

/// An instruction as the syscall reads it.
#[repr(C)]
struct Call<'a> {
    program: &'a Address,
    metas: *const InstructionAccount<'a>,
    meta_count: u64,
    data: *const u8,
    length: u64,
}

#[cfg(any(target_os = "solana", target_arch = "bpf"))]
#[inline(always)]
unsafe fn invoke(call: &Call, account: &MaybeUninit<CpiAccount>, signer: &Signer) {
    solana_define_syscall::definitions::sol_invoke_signed_c(
        call as *const Call as *const u8,
        account.as_ptr() as *const u8,
        1,
        signer as *const Signer as *const u8,
        1,
    );
}

#[cfg(not(any(target_os = "solana", target_arch = "bpf")))]
unsafe fn invoke(call: &Call, account: &MaybeUninit<CpiAccount>, signer: &Signer) {
    core::hint::black_box((call.program, call.metas, call.meta_count, call.data, call.length));
    core::hint::black_box((account, signer));
}

/// Where the field `name` lies in the call's data, the sizes of the fields being given in order.
pub const fn offset_of(fields: &[(&str, usize)], name: &str) -> usize {
    let (mut at, mut index) = (16, 0);
    while !is_same(fields[index].0, name) {
        at += fields[index].1;
        index += 1;
    }
    at
}

const fn is_same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
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
            const HAS_TEXT: bool = $(<$type as $crate::borsh::Borsh>::HAS_TEXT)||+;
            pub const MAX: usize = 16
                $(+ <$type as $crate::borsh::Borsh>::MAX)+
                + if Self::HAS_TEXT { $crate::borsh::MAX_TEXT } else { 0 };

            /// Where a field lies in the call's data. No text comes before it.
            pub const fn offset_of(field: &str) -> usize {
                $crate::event::offset_of(
                    &[$((stringify!($field), <$type as $crate::borsh::Borsh>::MAX)),+],
                    field,
                )
            }

            /// The call's data.
            #[inline(always)]
            pub fn write<const N: usize>(&self, writer: &mut $crate::borsh::Writer<N>) {
                writer.put(&$crate::event::SELF_CALL);
                writer.put(&const { $crate::discriminator(concat!("event:", stringify!($name))) });
                $(<$type as $crate::borsh::Borsh>::write(self.$field, writer);)+
            }

            #[inline(always)]
            pub fn emit(&self, authority: &pinocchio::AccountView) {
                let mut writer = $crate::borsh::Writer::<{ $name::MAX }>::new();
                self.write(&mut writer);
                let event_authority = (authority, crate::EVENT_AUTHORITY_BUMP);
                $crate::event::emit(&crate::ID, event_authority, &mut writer, [()], |_, ()| ());
            }
        }
    };
}
