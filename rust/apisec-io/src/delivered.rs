//! Which items a backend is known to have: their identities, while there is room, for some minutes.

use std::sync::{Mutex, PoisonError};

/// Items that lie together: one line of the processor's cache.
const PLACES: usize = 8;
/// Published cost of an item, in bytes: its place. All of the memory is taken at the first delivery, and never more.
const ENTRY: usize = 8;
/// An item is known for so many turns.
const KEPT: u16 = 10;
/// The bits of a place that say in which turn it was taken; the rest is of the item's identity, whose lowest bits say where it lies.
const TURN: u64 = 0xFFFF;

#[derive(Debug)]
struct Table {
    lines: Vec<[u64; PLACES]>,
    turn: u16,
    /// Items delivered that had been delivered already.
    again: usize,
}

/// Identities of items that a backend acknowledged to a sender that still listened.
///
/// A full line gives up the place that the identity points at, which is as good as any: giving up the oldest would forget each span of
/// a loop that holds more than there is room for just before it is back.
#[derive(Debug)]
pub struct Delivered {
    table: Mutex<Table>,
    most: usize,
}

impl Delivered {
    /// A memory of at most `cap` bytes; too few for one line: nothing is remembered.
    pub fn new(cap: usize) -> Delivered {
        let lines = cap / (PLACES * ENTRY);
        Delivered {
            table: Mutex::new(Table {
                lines: Vec::new(),
                turn: KEPT,
                again: 0,
            }),
            most: (lines + 1).next_power_of_two() / 2,
        }
    }

    /// Whether anything is ever remembered.
    pub fn is_on(&self) -> bool {
        self.most > 0
    }

    /// Remembers items, as delivered for `whom`. 0 is no identity.
    pub fn add(&self, identities: &[u64], whom: u64) {
        if identities.is_empty() || !self.is_on() {
            return;
        }
        let mut table = self.lock();
        if table.lines.is_empty() {
            table.lines = vec![[0; PLACES]; self.most];
        }
        for identity in identities.iter().filter(|identity| **identity != 0) {
            table.again += usize::from(table.add(identity ^ whom));
        }
    }

    /// Items delivered since the last call that had been delivered already: they came back before the backend's answer to the first time.
    pub fn again(&self) -> usize {
        std::mem::take(&mut self.lock().again)
    }

    /// Which of these are known as delivered for `whom`; those are remembered from now on as if they had been delivered just now.
    pub fn known(&self, identities: &[u64], whom: u64) -> Vec<bool> {
        let mut table = self.lock();
        identities
            .iter()
            .map(|identity| *identity != 0 && table.touch(identity ^ whom))
            .collect()
    }

    /// How many of these are known.
    pub fn count(&self, identities: &[u64], whom: u64) -> usize {
        let table = self.lock();
        identities
            .iter()
            .filter(|identity| **identity != 0 && table.place(**identity ^ whom).is_some())
            .count()
    }

    /// Time passes: what was last delivered ten turns ago is not known any more.
    pub fn turn(&self) {
        let mut table = self.lock();
        table.turn = table.turn.wrapping_add(1);
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.lock().lines.len() * PLACES * ENTRY
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// The line of an identity; the number of lines is a power of two.
    fn line(&self, identity: u64) -> usize {
        identity as usize & self.lines.len().wrapping_sub(1)
    }

    /// Takes an item in; whether it was known.
    fn add(&mut self, identity: u64) -> bool {
        let (at, turn) = (self.line(identity), self.turn);
        let known = self.place(identity);
        let Some(line) = self.lines.get_mut(at) else {
            return false;
        };
        let free = || line.iter().position(|place| is_old(*place, turn));
        let at = known
            .or_else(free)
            .unwrap_or((identity >> 61) as usize % PLACES);
        line[at] = identity & !TURN | u64::from(turn);
        known.is_some()
    }

    fn touch(&mut self, identity: u64) -> bool {
        self.place(identity).is_some() && self.add(identity)
    }

    fn place(&self, identity: u64) -> Option<usize> {
        let (line, turn) = (self.lines.get(self.line(identity))?, self.turn);
        let same = |place: &u64| (place ^ identity) & !TURN == 0 && !is_old(*place, turn);
        line.iter().position(same)
    }
}

/// Free places are old: the first turn is the tenth. A place untouched for the 45 days that turns of a minute take to come round is
/// known once more.
fn is_old(place: u64, turn: u16) -> bool {
    turn.wrapping_sub((place & TURN) as u16) >= KEPT
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spread as keyed hashes are.
    fn identity(number: u64) -> u64 {
        let mixed = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed ^ mixed >> 32
    }

    fn identities(numbers: std::ops::Range<u64>) -> Vec<u64> {
        numbers.map(identity).collect()
    }

    #[test]
    fn only_what_was_delivered_is_known() {
        let delivered = Delivered::new(8 << 20);
        assert_eq!(delivered.count(&identities(0..10), 0), 0);
        delivered.add(&identities(0..1000), 0);
        assert_eq!(delivered.count(&identities(0..1000), 0), 1000);
        assert_eq!(delivered.known(&identities(999..1001), 0), [true, false]);
        assert_eq!(delivered.count(&identities(1000..200_000), 0), 0);
    }

    #[test]
    fn what_was_delivered_for_one_is_not_known_for_another() {
        let delivered = Delivered::new(8 << 20);
        delivered.add(&identities(0..10), 0);
        delivered.add(&identities(10..20), 7 << 40);
        assert_eq!(delivered.count(&identities(0..20), 0), 10);
        assert_eq!(delivered.count(&identities(0..20), 7 << 40), 10);
        assert_eq!(delivered.count(&identities(0..20), 8 << 40), 0);
    }

    #[test]
    fn what_is_delivered_once_more_is_counted() {
        let delivered = Delivered::new(8 << 20);
        delivered.add(&identities(0..10), 0);
        delivered.add(&identities(5..12), 0);
        assert_eq!((delivered.again(), delivered.again()), (5, 0));
    }

    #[test]
    fn what_has_no_identity_is_never_known() {
        let delivered = Delivered::new(8 << 20);
        delivered.add(&[0], 7);
        assert_eq!(delivered.known(&[0], 7), [false]);
        assert_eq!(delivered.count(&[0], 7), 0);
    }

    #[test]
    fn memory_is_bounded_and_what_is_known_stays_true() {
        let delivered = Delivered::new(1 << 20);
        for start in (0..4_000_000).step_by(1000) {
            delivered.add(&identities(start..start + 1000), 0);
        }
        assert_eq!(delivered.bytes(), 1 << 20);
        let known = delivered.count(&identities(0..4_000_000), 0);
        assert!(known > 100_000 && known <= (1 << 20) / ENTRY, "{known}");
        assert_eq!(delivered.count(&identities(4_000_000..5_000_000), 0), 0);
    }

    #[test]
    fn a_cap_that_is_no_power_of_two_is_kept_to() {
        for cap in [0, 63, 64, 100, 127, 1000, 3 << 20] {
            let delivered = Delivered::new(cap);
            delivered.add(&identities(0..100), 0);
            assert!(delivered.bytes() <= cap && delivered.bytes() * 2 >= cap.saturating_sub(64));
            assert_eq!(delivered.is_on(), cap >= 64);
        }
    }

    #[test]
    fn ten_turns_later_it_is_forgotten_unless_it_came_meanwhile() {
        let delivered = Delivered::new(1 << 20);
        delivered.add(&identities(0..2), 0);
        (0..9).for_each(|_| delivered.turn());
        assert_eq!(delivered.known(&identities(0..1), 0), [true]);
        delivered.turn();
        assert_eq!(delivered.known(&identities(0..2), 0), [true, false]);
    }
}
