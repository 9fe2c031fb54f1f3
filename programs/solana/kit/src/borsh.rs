// SPDX-License-Identifier: Apache-2.0
//! Borsh, as instructions receive it (read in place) and events send it.
use crate::Error;
use core::mem::MaybeUninit;
use pinocchio::{error::ProgramError, Address};

/// A borsh string. Whether its bytes are UTF-8 is the reader's concern (G-6).
pub struct Text;

/// Longest texts of one event together, bytes (G-6).
pub const MAX_TEXT: usize = 700;

/// A type that arguments and event fields may have.
pub trait Borsh {
    /// What programs hold of it: integers themselves, of the rest a reference.
    type View<'a>: Copy;
    /// Its shortest encoding, bytes.
    const MIN: usize = Self::MAX;
    /// Its longest encoding, bytes, without text.
    const MAX: usize;
    /// Does it hold text? That of an event is at most `MAX_TEXT` long, which its instruction has
    /// checked.
    const HAS_TEXT: bool = false;
    fn read<'a>(reader: &mut Reader<'a>) -> Result<Self::View<'a>, ProgramError>;
    fn write<const N: usize>(view: Self::View<'_>, writer: &mut Writer<N>);
}

macro_rules! integer {
    ($($int:ty),+) => {$(
        impl Borsh for $int {
            type View<'a> = $int;
            const MAX: usize = size_of::<$int>();
            #[inline(always)]
            fn read<'a>(reader: &mut Reader<'a>) -> Result<$int, ProgramError> {
                Ok(<$int>::from_le_bytes(*reader.chunk()?))
            }
            #[inline(always)]
            fn write<const N: usize>(view: $int, writer: &mut Writer<N>) {
                writer.put(&view.to_le_bytes());
            }
        }
    )+};
}
integer!(u8, u16, u32, u64, i64, i128);

impl Borsh for bool {
    type View<'a> = bool;
    const MAX: usize = 1;
    #[inline(always)]
    fn read<'a>(reader: &mut Reader<'a>) -> Result<bool, ProgramError> {
        match u8::read(reader)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Error::InvalidInstruction.into()),
        }
    }
    #[inline(always)]
    fn write<const N: usize>(view: bool, writer: &mut Writer<N>) {
        writer.put(&[view as u8]);
    }
}

impl<const B: usize> Borsh for [u8; B] {
    type View<'a> = &'a [u8; B];
    const MAX: usize = B;
    #[inline(always)]
    fn read<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8; B], ProgramError> {
        reader.chunk()
    }
    #[inline(always)]
    fn write<const N: usize>(view: &[u8; B], writer: &mut Writer<N>) {
        writer.put(view);
    }
}

impl Borsh for Address {
    type View<'a> = &'a Address;
    const MAX: usize = 32;
    #[inline(always)]
    fn read<'a>(reader: &mut Reader<'a>) -> Result<&'a Address, ProgramError> {
        let bytes = reader.chunk::<32>()?;
        // SAFETY: Address is a transparent wrapper of [u8; 32].
        Ok(unsafe { &*(bytes as *const [u8; 32] as *const Address) })
    }
    #[inline(always)]
    fn write<const N: usize>(view: &Address, writer: &mut Writer<N>) {
        writer.put(view.as_array());
    }
}

impl Borsh for Text {
    type View<'a> = &'a [u8];
    const MAX: usize = 4;
    const HAS_TEXT: bool = true;
    #[inline(always)]
    fn read<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], ProgramError> {
        let length = u32::read(reader)?;
        reader.bytes(length as usize)
    }
    #[inline(always)]
    fn write<const N: usize>(view: &[u8], writer: &mut Writer<N>) {
        writer.put(&(view.len() as u32).to_le_bytes());
        writer.put(view);
    }
}

/// What is left of the instruction's data.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    #[inline(always)]
    pub fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    #[inline(always)]
    pub fn chunk<const N: usize>(&mut self) -> Result<&'a [u8; N], ProgramError> {
        let (chunk, rest) = self.0.split_first_chunk().ok_or(Error::InvalidInstruction)?;
        self.0 = rest;
        Ok(chunk)
    }

    #[inline(always)]
    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8], ProgramError> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Error::InvalidInstruction)?;
        self.0 = rest;
        Ok(bytes)
    }

    #[inline(always)]
    pub fn end(self) -> Result<(), ProgramError> {
        check!(self.0.is_empty(), Error::InvalidInstruction);
        Ok(())
    }
}

/// A buffer on the stack that is written from its start.
pub struct Writer<const N: usize> {
    buffer: MaybeUninit<[u8; N]>,
    length: usize,
}

impl<const N: usize> Writer<N> {
    #[inline(always)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let mut writer = MaybeUninit::<Self>::uninit();
        // SAFETY: the buffer may stay as it is. (Given whole, it would be filled with zeros.)
        unsafe {
            (&raw mut (*writer.as_mut_ptr()).length).write(0);
            writer.assume_init()
        }
    }

    /// # Panics
    /// Past the buffer's end.
    #[inline(always)]
    pub fn put(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        assert!(end <= N);
        // SAFETY: [length, end) lies in the buffer; the source is another object.
        unsafe {
            core::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                (self.buffer.as_mut_ptr() as *mut u8).add(self.length),
                bytes.len(),
            );
        }
        self.length = end;
    }

    /// Puts other bytes in place of those written at `AT`.
    #[inline(always)]
    pub fn set<const AT: usize, const B: usize>(&mut self, bytes: &[u8; B]) {
        const { assert!(AT + B <= N) };
        // SAFETY: they lie in the buffer.
        unsafe { (self.buffer.as_mut_ptr() as *mut u8).add(AT).cast::<[u8; B]>().write(*bytes) }
    }

    #[inline(always)]
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: the first `length` bytes have been written.
        unsafe { core::slice::from_raw_parts(self.buffer.as_ptr() as *const u8, self.length) }
    }
}

/// Declares the arguments of an instruction, in order. More bytes than they need are refused.
#[macro_export]
macro_rules! args {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)+) => {
        struct Args<'a> {
            $($(#[$doc])* $name: <$type as $crate::borsh::Borsh>::View<'a>,)+
            _data: core::marker::PhantomData<&'a [u8]>,
        }

        impl<'a> Args<'a> {
            #[inline(always)]
            fn parse(data: &'a [u8]) -> Result<Self, pinocchio::error::ProgramError> {
                // what each field checks by itself, once: the compiler drops those
                if data.len() < 0 $(+ <$type as $crate::borsh::Borsh>::MIN)+ {
                    return Err($crate::Error::InvalidInstruction.into());
                }
                let mut reader = $crate::borsh::Reader::new(data);
                $(let $name = <$type as $crate::borsh::Borsh>::read(&mut reader)?;)+
                reader.end()?;
                Ok(Self { $($name,)+ _data: core::marker::PhantomData })
            }
        }
    };
}
