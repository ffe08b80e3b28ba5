//! Attribute key to what is to be done with it: an open table over length and both ends of the key.

use std::collections::HashMap;

use super::vocabulary::Entry;

/// Keys of the vocabulary. Only they are stored, so hostile keys cannot lengthen a probe.
#[derive(Debug)]
pub(crate) struct Keys {
    /// Bit n: some key has n bytes; bit 63: 63 or more.
    lengths: u64,
    /// Bit n: some key ends in a byte whose lower six bits are n.
    ends: u64,
    slots: Box<[Slot]>,
    shift: u32,
    entries: Box<[(Vec<u8>, Entry)]>,
}

/// The hash beside the index spares most misses the comparison.
#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    entry: u32,
}

const FREE: u32 = u32::MAX;

impl Keys {
    pub fn new(entries: HashMap<Vec<u8>, Entry>) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        let size = (entries.len() * 8).next_power_of_two().max(64);
        let mut keys = Self {
            lengths: entries
                .iter()
                .fold(0, |lengths, (key, _)| lengths | 1 << key.len().min(63)),
            ends: entries.iter().fold(0, |ends, (key, _)| ends | end(key)),
            slots: vec![
                Slot {
                    hash: 0,
                    entry: FREE
                };
                size
            ]
            .into_boxed_slice(),
            shift: 64 - size.trailing_zeros(),
            entries: Box::default(),
        };
        for (index, (key, _)) in entries.iter().enumerate() {
            keys.place(hash(key), index as u32);
        }
        keys.entries = entries.into_boxed_slice();
        keys
    }

    fn place(&mut self, hash: u64, entry: u32) {
        let mut at = (hash >> self.shift) as usize;
        let mask = self.slots.len() - 1;
        while let Some(slot) = self.slots.get_mut(at & mask) {
            if slot.entry == FREE {
                *slot = Slot {
                    hash: (hash >> 24) as u32,
                    entry,
                };
                return;
            }
            at += 1;
        }
    }

    #[inline]
    pub fn find(&self, key: &[u8]) -> Option<&Entry> {
        if self.lengths >> key.len().min(63) & 1 == 0 || self.ends & end(key) == 0 {
            return None;
        }
        let hash = hash(key);
        let mut at = (hash >> self.shift) as usize;
        let mask = self.slots.len() - 1;
        loop {
            let slot = self.slots.get(at & mask)?;
            if slot.entry == FREE {
                return None;
            }
            if slot.hash == (hash >> 24) as u32 {
                let (known, entry) = self.entries.get(slot.entry as usize)?;
                if same(known, key) {
                    return Some(entry);
                }
            }
            at += 1;
        }
    }
}

/// The bit of a key's last byte; that of an empty key is one as well.
#[inline]
fn end(key: &[u8]) -> u64 {
    1 << (key.last().copied().unwrap_or_default() & 63)
}

/// Equality in words of eight bytes, the last one overlapping: keys are too short to pay for a call.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (Some(last_a), Some(last_b)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) else {
        return a == b;
    };
    a.as_chunks::<8>()
        .0
        .iter()
        .zip(b.as_chunks::<8>().0)
        .all(|(a, b)| u64::from_le_bytes(*a) == u64::from_le_bytes(*b))
        && last_a == last_b
}

/// Length, first and last eight bytes: keys share long prefixes (`http.request.header.`), seldom both ends.
/// The upper bits are the good ones.
#[inline]
pub(crate) fn hash(key: &[u8]) -> u64 {
    let (first, last) = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => (
            key.iter()
                .fold(0, |word, &byte| word << 8 | u64::from(byte)),
            0,
        ),
    };
    (first.rotate_left(23) ^ last ^ (key.len() as u64) << 17).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_key_and_no_other() {
        let names = [
            "url.path",
            "url.query",
            "a",
            "",
            "http.request.header.cookie",
            "http.request.header.x-api-key",
        ];
        let keys = Keys::new(
            names
                .iter()
                .map(|name| (name.as_bytes().to_vec(), Entry::default()))
                .collect(),
        );
        assert!(
            names
                .iter()
                .all(|name| keys.find(name.as_bytes()).is_some())
        );
        assert!(
            ["url.pathx", "b", "http.request.header.cookiE"]
                .iter()
                .all(|name| keys.find(name.as_bytes()).is_none())
        );
    }
}
