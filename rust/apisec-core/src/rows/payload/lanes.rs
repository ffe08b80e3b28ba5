//! Small counters in the cells of a table: 16 bits each, and bounded sets of outcomes over them.

/// Counters are halved together once there are so many observations.
pub const MANY: u32 = 60_000;
/// Slots looked at for one whose outcome was seen once.
const TRIES: usize = 8;
/// An outcome that does not fit takes from those seen less often than this, at one observation in eight.
const RARE: u16 = 8;

/// Two numbers of 32 bits in a cell.
pub fn pair(cell: u64) -> (u32, u32) {
    (cell as u32, (cell >> 32) as u32)
}

/// The cell of two numbers.
pub fn cell(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// The `at`-th counter.
#[inline]
pub fn lane(cells: &[u64], at: usize) -> u16 {
    let word = cells.get(at / 4).copied().unwrap_or_default();
    (word >> (at % 4 * 16)) as u16
}

const EVEN: u64 = 0x0000_FFFF_0000_FFFF;
/// One in each counter of a word.
const ONES: u64 = 0x0001_0001_0001_0001;

/// Two sums of two counters of a word, in its halves.
#[inline]
fn halves(word: u64) -> u64 {
    (word & EVEN) + (word >> 16 & EVEN)
}

#[inline]
fn whole(halves: u64) -> u32 {
    (halves as u32) + (halves >> 32) as u32
}

/// The sum of some counters, a word at a time.
pub fn sum(cells: &[u64], lanes: std::ops::RangeInclusive<usize>) -> u32 {
    let (first, last) = (*lanes.start(), *lanes.end());
    let mut all = 0_u64;
    for (at, &word) in cells.iter().enumerate().take(last / 4 + 1).skip(first / 4) {
        let below = first.saturating_sub(4 * at).min(4) as u32;
        let above = (4 * at + 3).saturating_sub(last) as u32;
        let kept = word >> (16 * below) << (16 * below) << (16 * above) >> (16 * above);
        all += halves(kept);
    }
    whole(all)
}

/// The sums of the counters up to one, and from it on.
#[inline]
pub fn sums(cells: &[u64], at: usize) -> (u32, u32) {
    let (mut all, mut before) = (0, 0);
    for (place, &word) in cells.iter().enumerate() {
        let two = halves(word);
        all += two;
        before += if place < at / 4 { two } else { 0 };
    }
    let word = cells.get(at / 4).copied().unwrap_or_default();
    let before = whole(before) + whole(halves(word & !(u64::MAX << (at % 4 * 16))));
    (before + u32::from(lane(cells, at)), whole(all) - before)
}

/// Sets the `at`-th counter.
pub fn set_lane(cells: &mut [u64], at: usize, value: u16) {
    if let Some(word) = cells.get_mut(at / 4) {
        let shift = at % 4 * 16;
        *word = *word & !(0xFFFF << shift) | u64::from(value) << shift;
    }
}

/// Counts one more.
#[inline]
pub fn count_lane(cells: &mut [u64], at: usize) {
    if let Some(word) = cells.get_mut(at / 4) {
        let shift = at % 4 * 16;
        *word += u64::from((*word >> shift) as u16 != u16::MAX) << shift;
    }
}

/// Halves all counters of some cells.
pub fn halve(cells: &mut [u64]) {
    for word in cells {
        *word = *word >> 1 & 0x7FFF_7FFF_7FFF_7FFF;
    }
}

/// How many cells a set of so many slots takes: how many outcomes were seen once, what is used, then outcomes and counts.
pub const fn set_cells(slots: usize) -> usize {
    1 + slots / 2
}

/// A bounded set of outcomes with their counts, to read.
#[derive(Clone, Copy)]
pub struct Outcomes<'a> {
    cells: &'a [u64],
    slots: usize,
}

impl<'a> Outcomes<'a> {
    pub fn new(cells: &'a [u64], slots: usize) -> Self {
        Self { cells, slots }
    }

    fn head(&self) -> (u32, usize) {
        let (singles, rest) = pair(self.cells.first().copied().unwrap_or_default());
        (singles, (rest & 0xFFFF) as usize)
    }

    fn count(&self, slot: usize) -> u16 {
        lane(&self.cells[1..], self.slots + slot)
    }

    /// Four slots at once: what differs nowhere from the outcome is zero.
    #[inline]
    fn find(&self, outcome: u16) -> Option<usize> {
        let words = self.cells.get(1..=self.slots / 4).unwrap_or_default();
        for (at, &word) in words.iter().enumerate() {
            let differs = word ^ (ONES * u64::from(outcome));
            let same = differs.wrapping_sub(ONES) & !differs & ONES << 15;
            if same != 0 {
                let slot = 4 * at + same.trailing_zeros() as usize / 16;
                return (slot < self.head().1).then_some(slot);
            }
        }
        None
    }

    /// The sum of the counts that are not above one. Slots that are not used count zero.
    #[inline]
    fn up_to(&self, own: u16) -> u32 {
        let words = self.cells.get(1 + self.slots / 4..).unwrap_or_default();
        let mut all = 0;
        for word in words.iter().take(self.slots / 4) {
            for at in 0..4 {
                let count = (word >> (16 * at)) as u16;
                all += u32::from(if count <= own { count } else { 0 });
            }
        }
        all
    }

    /// Observations of outcomes at most as frequent as this one, by Good and Turing for one that is new; and whether it is known.
    pub fn rarer(&self, outcome: u16) -> (f64, bool) {
        let (singles, _) = self.head();
        let Some(found) = self.find(outcome) else {
            return (f64::from(singles), false);
        };
        let rarer = self.up_to(self.count(found));
        (f64::from(singles) + f64::from(rarer), true)
    }

    /// Outcomes that were seen once.
    pub fn singles(&self) -> u32 {
        self.head().0
    }
}

/// Counts an outcome of a set; `n` is how many observations there are.
pub fn observe(cells: &mut [u64], slots: usize, outcome: u16, n: u32) {
    let view = Outcomes::new(cells, slots);
    let (singles, used) = view.head();
    let hand = (pair(cells[0]).1 >> 16) as usize;
    if let Some(slot) = view.find(outcome) {
        let count = view.count(slot);
        set_lane(&mut cells[1..], slots + slot, count.saturating_add(1));
        return set_head(
            cells,
            singles.saturating_sub(u32::from(count == 1)),
            used,
            hand,
        );
    }
    if used < slots {
        set_lane(&mut cells[1..], used, outcome);
        set_lane(&mut cells[1..], slots + used, 1);
        return set_head(cells, singles + 1, used + 1, hand);
    }
    let mut hand = hand;
    for _ in 0..TRIES {
        let slot = hand;
        hand = (hand + 1) % slots;
        let count = lane(&cells[1..], slots + slot);
        if count <= 1 {
            set_lane(&mut cells[1..], slot, outcome);
            set_lane(&mut cells[1..], slots + slot, 1);
            break;
        }
        if n.is_multiple_of(8) && count < RARE {
            set_lane(&mut cells[1..], slots + slot, count - 1);
        }
    }
    set_head(cells, singles + 1, used, hand);
}

fn set_head(cells: &mut [u64], singles: u32, used: usize, hand: usize) {
    cells[0] = cell(singles, (hand as u32) << 16 | used as u32);
}

/// Halves the counts of a set; an outcome that is known stays so.
pub fn halve_set(cells: &mut [u64], slots: usize) {
    let (singles, rest) = pair(cells[0]);
    cells[0] = cell(singles / 2, rest);
    for slot in 0..(rest & 0xFFFF) as usize {
        let count = lane(&cells[1..], slots + slot);
        set_lane(&mut cells[1..], slots + slot, (count / 2).max(1));
    }
}
