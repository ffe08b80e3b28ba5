//! Keyed 64-bit ids: the same in tables, on the wire and at the decision point.

use siphasher::sip::SipHasher24;

/// SipHash-2-4 under one secret. 0 is never an id: it means missing.
#[derive(Clone, Debug)]
pub struct Hasher {
    sip: SipHasher24,
}

impl Hasher {
    /// A hasher of `secret`, 16 bytes from the configuration or the storage directory.
    pub fn new(secret: &[u8; 16]) -> Self {
        Self { sip: SipHasher24::new_with_key(secret) }
    }

    /// The id of a text; never 0.
    #[inline]
    pub fn text(&self, text: &[u8]) -> u64 {
        self.sip.hash(text).max(1)
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
