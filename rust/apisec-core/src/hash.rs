//! Keyed 64-bit ids: the same in tables, on the wire and at the decision point.

use std::hash::{BuildHasherDefault, Hasher as StdHasher};

use hashbrown::{HashMap, HashSet};
use siphasher::sip::SipHasher24;

/// A map from ids, which are keyed hashes already.
pub type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<Spread>>;
/// A set of ids.
pub type IdSet = HashSet<u64, BuildHasherDefault<Spread>>;

/// Only spreads the bits of an id: `mix` leaves its lowest one set.
#[derive(Debug, Default)]
pub struct Spread(u64);

impl StdHasher for Spread {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes
            .iter()
            .for_each(|byte| self.write_u64(u64::from(*byte)));
    }
    fn write_u64(&mut self, id: u64) {
        self.0 = (self.0.rotate_left(23) ^ id).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// SipHash-2-4 under one secret. 0 is never an id: it means missing.
#[derive(Clone, Debug)]
pub struct Hasher {
    sip: SipHasher24,
}

impl Hasher {
    /// A hasher of `secret`, 16 bytes from the configuration or the storage directory.
    pub fn new(secret: &[u8; 16]) -> Self {
        Self {
            sip: SipHasher24::new_with_key(secret),
        }
    }

    /// The id of a text; never 0.
    #[inline]
    pub fn text(&self, text: &[u8]) -> u64 {
        self.sip.hash(text).max(1)
    }

    /// The id of a text, 0 (missing) when it is empty.
    #[inline]
    pub fn some(&self, text: &[u8]) -> u64 {
        if text.is_empty() { 0 } else { self.text(text) }
    }

    /// The id of several texts in order, any of which may be empty; never 0.
    pub fn texts(&self, texts: &[&[u8]]) -> u64 {
        texts.iter().enumerate().fold(1, |id, (place, text)| {
            let part = self.text(text).wrapping_add(place as u64).max(1);
            mix(id, part)
        })
    }
}

/// The id of a pair; 0 (missing) when either is missing.
#[inline]
pub fn mix(a: u64, b: u64) -> u64 {
    if a == 0 || b == 0 {
        return 0;
    }
    let x = (a ^ b.rotate_left(23)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (x ^ (x >> 32)) | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_published_vectors() {
        let secret: [u8; 16] = std::array::from_fn(|i| i as u8);
        let hasher = Hasher::new(&secret);
        assert_eq!(hasher.text(b""), 0x726f_db47_dd0e_0e31);
        assert_eq!(hasher.text(&[0, 1, 2, 3, 4, 5, 6]), 0xab02_00f5_8b01_d137);
    }

    #[test]
    fn a_pair_with_a_missing_part_is_missing() {
        assert_eq!((mix(0, 5), mix(5, 0)), (0, 0));
        assert_ne!(mix(1, 2), mix(2, 1));
        assert_eq!(mix(3, 9) & 1, 1);
    }
}
