//! Snapshots: state is copied shard by shard between batches, while it goes on changing, and read back at the next start.
//!
//! A shard is a layout number and words in little endian. Whoever writes shards to a disk seals them with a checksum;
//! what is read here is verified all the same: any bytes give an error or a state, never a panic.

use crate::error::{Error, Result, What};

/// A shard is closed once it holds this many bytes: copying it takes well under a millisecond.
pub const SHARD: usize = 128 << 10;

/// State that outlives the process.
///
/// Parts are copied one after the other, and rows are counted meanwhile. What has yet to be counted (a line of waiting
/// rows, the memory of requests seen) is therefore copied after what it is counted in: a row may be lost, never doubled.
pub trait Keeps {
    /// Number of the layout; a shard of another one is left alone.
    const LAYOUT: u64;
    /// How far a copy has come.
    type Copying: Send;

    /// Begins a copy.
    fn start(&self) -> Self::Copying;

    /// Copies the next shard of about `SHARD` bytes; false when nothing is left.
    fn copy(&self, at: &mut Self::Copying, to: &mut Sink) -> bool;

    /// Takes up a shard, in the order of copying, into a state that has seen no row.
    ///
    /// # Errors
    /// The shard is not what `copy` writes.
    fn load(&mut self, from: &mut Source<'_>) -> Result<()>;

    /// Called after the last shard: what was in them and is not known here, in words.
    fn loaded(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// The next shard of a copy.
pub fn shard<K: Keeps>(state: &K, at: &mut K::Copying) -> Option<Vec<u8>> {
    let mut to = Sink {
        bytes: Vec::with_capacity(SHARD + SHARD / 4),
    };
    to.number(K::LAYOUT);
    state.copy(at, &mut to).then_some(to.bytes)
}

/// Loads a shard; false when it is of another layout.
///
/// # Errors
/// The bytes are no shard.
pub fn load<K: Keeps>(state: &mut K, bytes: &[u8]) -> Result<bool> {
    let mut from = Source::of(bytes);
    if from.number()? != K::LAYOUT {
        return Ok(false);
    }
    state.load(&mut from)?;
    if from.at == bytes.len() {
        Ok(true)
    } else {
        Err(from.bad("more than was written"))
    }
}

/// Where a shard is written.
#[derive(Debug, Default)]
pub struct Sink {
    bytes: Vec<u8>,
}

impl Sink {
    /// What was written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Bytes written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the shard has its size.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= SHARD
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Writes what was written apart.
    pub fn append(&mut self, other: Self) {
        self.bytes.extend_from_slice(&other.bytes);
    }

    /// Writes a word.
    #[inline]
    pub fn number(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Writes a time or another signed word.
    #[inline]
    pub fn signed(&mut self, value: i64) {
        self.number(value as u64);
    }

    /// Writes words without their number.
    pub fn words(&mut self, values: &[u64]) {
        values.iter().for_each(|&value| self.number(value));
    }

    /// Writes a text with its length.
    pub fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }
}

/// What a shard is read from.
#[derive(Debug)]
pub struct Source<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Source<'a> {
    /// Reads from the beginning of `bytes`.
    #[must_use]
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// An error at the present place.
    #[must_use]
    pub fn bad(&self, why: &'static str) -> Error {
        Error::new(self.at, What::Snapshot(why))
    }

    /// Whether all was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(taken) = rest.get(..length) else {
            return Err(Error::new(self.at, What::Truncated));
        };
        self.at += length;
        Ok(taken)
    }

    /// Leaves the rest of the shard alone.
    pub fn skip(&mut self) {
        self.at = self.bytes.len();
    }

    /// Reads a word.
    ///
    /// # Errors
    /// The shard ends before.
    pub fn number(&mut self) -> Result<u64> {
        let mut word = [0; 8];
        word.copy_from_slice(self.take(8)?);
        Ok(u64::from_le_bytes(word))
    }

    /// Reads a signed word.
    ///
    /// # Errors
    /// The shard ends before.
    pub fn signed(&mut self) -> Result<i64> {
        self.number().map(|value| value as i64)
    }

    /// Reads how many things of at least `bytes` bytes each follow.
    ///
    /// # Errors
    /// The shard has no room for so many.
    pub fn count(&mut self, bytes: usize) -> Result<usize> {
        let count = self.number()?;
        let room = (self.bytes.len() - self.at) / bytes.max(1);
        match usize::try_from(count) {
            Ok(count) if count <= room => Ok(count),
            _ => Err(self.bad("counts more than follows")),
        }
    }

    /// Reads words.
    ///
    /// # Errors
    /// The shard ends before.
    pub fn words(&mut self, count: usize) -> Result<Vec<u64>> {
        let bytes = self.take(count.saturating_mul(8))?;
        let word = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0, |word, &byte| word << 8 | u64::from(byte))
        };
        Ok(bytes.chunks_exact(8).map(word).collect())
    }

    /// Reads a list whose length was read before.
    ///
    /// # Errors
    /// The shard ends before.
    pub fn list(&mut self, length: u64) -> Result<Vec<u64>> {
        self.words(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// Reads a text.
    ///
    /// # Errors
    /// The shard ends before, or it is no UTF-8.
    pub fn text(&mut self) -> Result<&'a str> {
        let length = self.count(1)?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.bad("a text is no UTF-8"))
    }
}
