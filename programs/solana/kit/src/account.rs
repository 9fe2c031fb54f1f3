// SPDX-License-Identifier: Apache-2.0
//! Creating, reading and closing accounts (G-11 to G-13).
use crate::{address::Derivation, sysvar, Error};
use core::{cell::Cell, mem::size_of};
use pinocchio::{cpi::Signer, error::ProgramError, AccountView, Address, ProgramResult};
use pinocchio_system::instructions::{Allocate, Assign, CreateAccount, Transfer};

pub const SYSTEM: Address = pinocchio_system::ID;

/// State that lies in an account as it is: fields without alignment, the discriminator first.
///
/// # Safety
/// The type is `repr(C)`, of alignment 1, valid for every bit pattern, and begins with
/// `[u8; 8]` for the discriminator. No two types of a program share a discriminator.
pub unsafe trait State: Sized {
    const DISCRIMINATOR: [u8; 8];
    const PROGRAM: Address;
}

/// Names a state type: discriminator by Anchor's rule, program, and the checks of its layout.
#[macro_export]
macro_rules! state {
    ($name:ident, $size:literal, $program:expr) => {
        const _: () = assert!(core::mem::size_of::<$name>() == $size);
        const _: () = assert!(core::mem::align_of::<$name>() == 1);
        // SAFETY: repr(C) of integers, byte arrays and addresses; the sizes are asserted above.
        unsafe impl $crate::account::State for $name {
            const DISCRIMINATOR: [u8; 8] =
                $crate::discriminator(concat!("account:", stringify!($name)));
            const PROGRAM: pinocchio::Address = $program;
        }
    };
}

/// The state in `account`, or `error` when it is not this program's, or of another type.
#[inline(always)]
#[allow(clippy::mut_from_ref)]
pub fn load<S: State>(
    account: &AccountView,
    error: impl Into<ProgramError> + Copy,
) -> Result<&mut S, ProgramError> {
    check!(account.owned_by(&S::PROGRAM), error);
    check!(account.data_len() == size_of::<S>(), error);
    let data = account.data_ptr();
    // SAFETY: the account has size_of::<S>() ≥ 8 bytes of data, just checked.
    check!(unsafe { *(data as *const [u8; 8]) } == S::DISCRIMINATOR, error);
    // SAFETY: size and type are checked; the runtime hands an account out once, two views of it
    // share one type, and no instruction loads the same type from two of its accounts without
    // comparing their addresses.
    Ok(unsafe { &mut *(data as *mut S) })
}

/// Who pays the rent of what an instruction creates.
pub struct Payer<'a> {
    account: &'a AccountView,
    per_byte: Cell<u32>, // 0 until it is asked for, once
}

impl<'a> Payer<'a> {
    #[inline(always)]
    pub fn new(account: &'a AccountView) -> Self {
        Self { account, per_byte: Cell::new(0) }
    }

    #[inline(always)]
    pub fn address(&self) -> &'a Address {
        self.account.address()
    }

    #[inline(always)]
    fn rent_exemption(&self, space: usize) -> Result<u64, ProgramError> {
        if self.per_byte.get() == 0 {
            self.per_byte.set(sysvar::rent_per_byte()?);
        }
        Ok(sysvar::rent_exemption(space, self.per_byte.get()))
    }
}

/// Creates the account at the canonical PDA of `seeds` and `program` with `space` zero bytes,
/// owned by `owner`; its bump. `error` when `account` is not that PDA.
#[inline(always)]
pub fn allocate<const N: usize>(
    payer: &Payer,
    account: &AccountView,
    space: usize,
    owner: &Address,
    (seeds, program): ([&[u8]; N], &Address),
    error: impl Into<ProgramError>,
) -> Result<u8, ProgramError> {
    let bump = Cell::new(0);
    let derivation = Derivation::new(seeds, program, &bump);
    check!(derivation.gives(account.address()), error);
    make(payer, account, space, owner, &Signer::from(derivation.signer()))?;
    Ok(bump.get())
}

/// Lamports sent to the account before do not matter.
#[inline(never)]
fn make(
    payer: &Payer,
    account: &AccountView,
    space: usize,
    owner: &Address,
    signer: &Signer,
) -> ProgramResult {
    let signer = core::slice::from_ref(signer);
    let rent = payer.rent_exemption(space)?;
    let held = account.lamports();
    if held == 0 {
        return CreateAccount {
            from: payer.account,
            to: account,
            lamports: rent,
            space: space as u64,
            owner,
        }
        .invoke_signed(signer);
    }
    if held < rent {
        Transfer { from: payer.account, to: account, lamports: rent - held }.invoke()?;
    }
    Allocate { account, space: space as u64 }.invoke_signed(signer)?;
    Assign { account, owner }.invoke_signed(signer)
}

/// Creates the account of a state at the canonical PDA of `seeds`; the state, and its bump.
/// `error` when `account` is not that PDA.
#[inline(always)]
#[allow(clippy::mut_from_ref)]
pub fn create<'a, S: State, const N: usize>(
    payer: &Payer,
    account: &'a AccountView,
    seeds: [&[u8]; N],
    error: impl Into<ProgramError>,
) -> Result<(&'a mut S, u8), ProgramError> {
    let derived = (seeds, &S::PROGRAM);
    let bump = allocate(payer, account, size_of::<S>(), &S::PROGRAM, derived, error)?;
    let data = account.data_ptr();
    // SAFETY: just made with size_of::<S>() zero bytes, by nobody else referred to.
    unsafe {
        *(data as *mut [u8; 8]) = S::DISCRIMINATOR;
        Ok((&mut *(data as *mut S), bump))
    }
}

/// Closes a state account: its lamports to `rent_payer`, no data, owned by the system program.
/// No reference into its data may be used afterwards.
#[inline(always)]
pub fn close(account: &AccountView, rent_payer: &AccountView) -> ProgramResult {
    let (mut account, mut rent_payer) = (*account, *rent_payer);
    let lamports = rent_payer.lamports().checked_add(account.lamports()).ok_or(Error::Overflow)?;
    rent_payer.set_lamports(lamports);
    account.set_lamports(0);
    account.close()
}

#[inline(always)]
pub fn check_system_program(account: &AccountView) -> ProgramResult {
    check!(account.address() == &SYSTEM, Error::WrongSystemProgram);
    Ok(())
}

/// Declares the accounts of an instruction, in order. The bracketed words are what the interface
/// file says of each: `signer`, `writable`. Accounts after them are ignored.
#[macro_export]
macro_rules! accounts {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        struct Accounts<'a> {
            $($(#[$doc])* $name: &'a pinocchio::AccountView,)+
        }

        impl<'a> TryFrom<&'a [pinocchio::AccountView]> for Accounts<'a> {
            type Error = pinocchio::error::ProgramError;

            #[inline(always)]
            fn try_from(accounts: &'a [pinocchio::AccountView]) -> Result<Self, Self::Error> {
                let [$($name,)+ ..] = accounts else {
                    return Err($crate::Error::MissingAccount.into());
                };
                Ok(Self { $($name,)+ })
            }
        }
    };
}
