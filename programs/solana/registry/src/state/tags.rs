// SPDX-License-Identifier: Apache-2.0
use kit::borsh::{Borsh, Reader, Writer};
use pinocchio::error::ProgramError;

pub const MAX_TAGS: u32 = 16;
/// Bytes of the longest tag.
pub const MAX_TAG: u32 = 32;

/// A borsh vector of strings.
pub struct Tags;

/// Tags as they came: each its length (u32) and its bytes.
#[derive(Clone, Copy)]
pub struct TagList<'a> {
    count: u32,
    longest: u32,
    has_empty: bool,
    encoded: &'a [u8],
}

impl TagList<'_> {
    #[inline(always)]
    pub fn is_valid(&self) -> bool {
        self.count <= MAX_TAGS && self.longest <= MAX_TAG && !self.has_empty
    }

    /// Bytes of all tags together.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.encoded.len() - 4 * self.count as usize
    }
}

impl Borsh for Tags {
    type View<'a> = TagList<'a>;
    const MIN: usize = 4;
    const MAX: usize = 4 + 4 * MAX_TAGS as usize;
    const HAS_TEXT: bool = true;

    #[inline(always)]
    fn read<'a>(reader: &mut Reader<'a>) -> Result<TagList<'a>, ProgramError> {
        let count = u32::read(reader)?;
        let start = reader.bytes(0)?.as_ptr();
        let (mut longest, mut has_empty, mut length) = (0, false, 0);
        // an absurd count ends with the data
        for _ in 0..count {
            let tag = u32::read(reader)?;
            reader.bytes(tag as usize)?;
            longest = longest.max(tag);
            has_empty |= tag == 0;
            length += 4 + tag as usize;
        }
        // SAFETY: the `length` bytes from `start` on have just been read, one after the other.
        let encoded = unsafe { core::slice::from_raw_parts(start, length) };
        Ok(TagList { count, longest, has_empty, encoded })
    }

    #[inline(always)]
    fn write<const N: usize>(view: TagList<'_>, writer: &mut Writer<N>) {
        writer.put(&view.count.to_le_bytes());
        writer.put(view.encoded);
    }
}
