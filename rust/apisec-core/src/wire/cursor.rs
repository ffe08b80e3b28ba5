//! Reading: varints (overlong ones too), lengths, groups.

use crate::error::{Error, Result, What};

/// The tag of a varint field.
pub const fn varint(field: u32) -> u32 {
    field << 3
}

/// The tag of a fixed 64-bit field.
pub const fn bits64(field: u32) -> u32 {
    field << 3 | 1
}

/// The tag of a length-delimited field: text, bytes, message.
pub const fn length(field: u32) -> u32 {
    field << 3 | 2
}

/// The tag of a fixed 32-bit field.
pub const fn bits32(field: u32) -> u32 {
    field << 3 | 5
}

/// A stretch of a request; `len` 0 means missing.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Offset of the first byte.
    pub at: u32,
    /// Length in bytes.
    pub len: u32,
}

impl Slice {
    /// From `at` to `end`; both fit, as requests over 2 GiB are refused.
    #[inline]
    pub fn new(at: usize, end: usize) -> Self {
        Self {
            at: at as u32,
            len: end.saturating_sub(at) as u32,
        }
    }

    /// Offset behind the last byte.
    #[inline]
    pub fn end(self) -> usize {
        self.at as usize + self.len as usize
    }

    /// Its bytes; empty when it lies outside.
    #[inline]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.at as usize..self.end()).unwrap_or_default()
    }

    /// Whether it is empty, that is missing.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// A place in one message. Offsets count from the start of the whole request.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of a whole request.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// On a stretch of it; empty when it lies outside.
    pub fn over(bytes: &'a [u8], slice: Slice) -> Self {
        let bytes = bytes.get(..slice.end()).unwrap_or_default();
        Self {
            bytes,
            at: (slice.at as usize).min(bytes.len()),
        }
    }

    /// The offset of the next byte.
    #[inline]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Where its message ends.
    #[inline]
    pub fn end(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the message is read to its end.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// What is left, as a slice.
    #[inline]
    pub fn rest(&self) -> Slice {
        Slice::new(self.at, self.bytes.len())
    }

    /// Reads a varint of up to ten bytes; bits past the 64th fall away, as in protobuf.
    #[inline]
    pub fn varint(&mut self) -> Result<u64> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64> {
        let start = self.at;
        let mut value = 0u64;
        for (index, &byte) in self
            .bytes
            .get(start..)
            .unwrap_or_default()
            .iter()
            .take(10)
            .enumerate()
        {
            value |= u64::from(byte & 0x7f) << (7 * index as u32);
            if byte < 0x80 {
                self.at = start + index + 1;
                return Ok(value);
            }
        }
        let short = self.bytes.len() - start < 10;
        Err(Error::new(
            start,
            if short { What::Truncated } else { What::Varint },
        ))
    }

    /// Reads a tag: field number and wire type in one number, to be matched with [`varint`], [`length`] and kin.
    #[inline]
    pub fn tag(&mut self) -> Result<u32> {
        let start = self.at;
        let tag = self.varint()?;
        u32::try_from(tag).map_err(|_| Error::new(start, What::Tag(tag)))
    }

    /// Steps over a tag of one byte, if that is what comes next.
    #[inline]
    pub fn repeats(&mut self, tag: u32) -> bool {
        let same = self
            .bytes
            .get(self.at)
            .is_some_and(|&byte| u32::from(byte) == tag);
        self.at += usize::from(same);
        same
    }

    /// Reads a length and steps over what it covers.
    #[inline]
    pub fn slice(&mut self) -> Result<Slice> {
        let start = self.at;
        let length = self.varint()?;
        if length > (self.bytes.len() - self.at) as u64 {
            return Err(Error::new(
                start,
                What::Length {
                    length,
                    end: self.bytes.len(),
                },
            ));
        }
        let at = self.at;
        self.at += length as usize;
        Ok(Slice::new(at, self.at))
    }

    /// Reads a length and gives the message that it covers; this cursor steps over it.
    #[inline]
    pub fn message(&mut self) -> Result<Self> {
        let slice = self.slice()?;
        Ok(Self {
            bytes: self.bytes.get(..self.at).unwrap_or_default(),
            at: slice.at as usize,
        })
    }

    /// Reads a fixed 64-bit field.
    #[inline]
    pub fn bits64(&mut self) -> Result<u64> {
        let bytes = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.first_chunk::<8>());
        let bytes = bytes.ok_or_else(|| Error::new(self.at, What::Truncated))?;
        self.at += 8;
        Ok(u64::from_le_bytes(*bytes))
    }

    fn advance(&mut self, count: usize) -> Result<()> {
        if self.bytes.len() - self.at < count {
            return Err(Error::new(self.at, What::Truncated));
        }
        self.at += count;
        Ok(())
    }

    /// Steps over the field of `tag`, which has just been read; `room` is how many levels more may nest.
    pub fn skip(&mut self, tag: u32, room: u32) -> Result<()> {
        if tag >> 3 == 0 {
            return Err(Error::new(self.at, What::Tag(u64::from(tag))));
        }
        match tag & 7 {
            0 => self.varint().map(drop),
            1 => self.advance(8),
            2 => self.slice().map(drop),
            3 => self.skip_group(tag, room),
            4 => Err(Error::new(self.at, What::Group(tag >> 3))),
            5 => self.advance(4),
            wire => Err(Error::new(self.at, What::WireType(wire as u8))),
        }
    }

    fn skip_group(&mut self, tag: u32, room: u32) -> Result<()> {
        let room = deeper(room, self.at)?;
        loop {
            let inner = self.tag()?;
            if inner & 7 == 4 && inner >> 3 == tag >> 3 {
                return Ok(());
            }
            self.skip(inner, room)?;
        }
    }
}

/// One level less of `room`; an error when there is none.
#[inline]
pub(crate) fn deeper(room: u32, at: usize) -> Result<u32> {
    if room == 0 {
        return Err(Error::new(at, What::Depth(crate::codec::DEPTH)));
    }
    Ok(room - 1)
}
