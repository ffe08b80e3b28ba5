//! Histograms: what is usual for a key, learned from one value per teacher and window; `quantile` and `tail` ask them.
//!
//! Log-linear bins (eight to an octave) hold the bulk, a list the largest values as they are. Learning happens at ticks
//! only; asking changes nothing. Beside what is learned lies a slow reference, which follows it by at most 10 % a day for
//! the median and 1 % a day for what the top is to the median; a top that runs away from it is scaled back to it.

use super::fit::{Fit, is_whole};
use super::learned;
use crate::table::Spill;

/// Cells: handle of the list, bins, sum of the counts, top values, day of the reference plus 1, its median,
/// its 0.99 quantile over that, its 0.999 quantile over that.
/// The list: two words a bin (`bin << 32 | count`, largest value), in order of bin; the top values, the largest first;
/// then the ids of the first teachers. Every value above the last top value is a top value.
pub const CELLS: usize = 8;

/// Top values kept.
const TOP: usize = 128;

const DAY: i64 = 86_400 * 1_000_000_000;
/// The reference begins with so many contributions.
const SLOW_AT: u64 = 1_000;
/// The levels that the reference holds, and how far above them what was learned may stand.
const HIGH: f64 = 0.99;
const HIGHEST: f64 = 0.999;
const SLACK: f64 = 1.5;
const BODY_MOVES: f64 = 1.1;
const RATIO_MOVES: f64 = 1.01;
const MOST_DAYS: u64 = 7;

const HANDLE: usize = 0;
const BINS: usize = 1;
const SUM: usize = 2;
const TOPS: usize = 3;
const TURNED: usize = 4;
const BODY: usize = 5;
const RATIO: usize = 6;
const SPREAD: usize = 7;

/// The bin of a value: 0 for nothing or less, else exponent and three bits of the fraction.
#[inline]
#[must_use]
pub fn bin(value: f64) -> u64 {
    const SMALLEST: f64 = 1.0 / 1_048_576.0;
    const LARGEST: f64 = 17_592_186_044_416.0;
    if value <= 0.0 {
        0
    } else {
        value.clamp(SMALLEST, LARGEST).to_bits() >> 49
    }
}

/// What lies in the list.
struct Parts<'a> {
    bins: &'a [u64],
    top: &'a [u64],
    sum: u64,
}

fn parts<'a>(cells: &[u64], spill: &'a Spill) -> Parts<'a> {
    let (bins, rest) = spill.list(cells[HANDLE]).split_at(2 * cells[BINS] as usize);
    Parts {
        bins,
        top: &rest[..cells[TOPS] as usize],
        sum: cells[SUM],
    }
}

/// Whether enough teachers are known to judge.
#[inline]
#[must_use]
pub fn is_supported(cells: &[u64], spill: &Spill) -> bool {
    spill.list(cells[HANDLE]).len() >= (2 * cells[BINS] + cells[TOPS]) as usize + learned::SUPPORT
}

/// Learns one value of one teacher at the end of its window.
pub fn learn(cells: &mut [u64], spill: &mut Spill, value: f64, teacher: u64, time: i64) {
    turn(cells, spill, (time / DAY) as u64 + 1);
    let before = (2 * cells[BINS] + cells[TOPS]) as usize;
    learned::know(&mut cells[HANDLE], spill, before, teacher);
    keep_top(cells, spill, value);
    let (wanted, bins) = (bin(value), cells[BINS] as usize);
    let list = spill.list_mut(cells[HANDLE]);
    let at = list[..2 * bins]
        .chunks_exact(2)
        .take_while(|pair| pair[0] >> 32 < wanted)
        .count();
    if at < bins && list[2 * at] >> 32 == wanted {
        list[2 * at] += 1;
        list[2 * at + 1] = f64::from_bits(list[2 * at + 1]).max(value).to_bits();
    } else {
        spill.insert(
            &mut cells[HANDLE],
            2 * at,
            &[wanted << 32 | 1, value.to_bits()],
        );
        cells[BINS] += 1;
    }
    cells[SUM] += 1;
    if cells[SUM] >= learned::HALVED_AT {
        halve(cells, spill);
    }
}

/// Puts a value among the top ones if it belongs there; the smallest goes when there are too many.
fn keep_top(cells: &mut [u64], spill: &mut Spill, value: f64) {
    let Parts { bins, top, sum } = parts(cells, spill);
    let all = top.len() as u64 == sum && top.len() < TOP;
    if !all && !top.last().is_some_and(|&last| value > f64::from_bits(last)) {
        return;
    }
    let (start, length) = (bins.len(), top.len());
    let at = start + top.partition_point(|&word| f64::from_bits(word) >= value);
    if length < TOP {
        spill.insert(&mut cells[HANDLE], at, &[value.to_bits()]);
        cells[TOPS] += 1;
    } else {
        let list = spill.list_mut(cells[HANDLE]);
        list.copy_within(at..start + length - 1, at + 1);
        list[at] = value.to_bits();
    }
}

fn halve(cells: &mut [u64], spill: &mut Spill) {
    let (bins, tops) = (cells[BINS] as usize, cells[TOPS] as usize);
    let list = spill.list_mut(cells[HANDLE]);
    let (mut kept, mut sum) = (0, 0);
    for at in 0..bins {
        let (count, top) = ((list[2 * at] & 0xFFFF_FFFF) / 2, list[2 * at + 1]);
        if count > 0 {
            list[2 * kept] = list[2 * at] >> 32 << 32 | count;
            list[2 * kept + 1] = top;
            (kept, sum) = (kept + 1, sum + count);
        }
    }
    for at in 0..tops / 2 {
        list[2 * kept + at] = list[2 * bins + 2 * at + 1];
    }
    let teachers = list.len() - 2 * bins - tops;
    let end = 2 * kept + tops / 2;
    list.copy_within(2 * bins + tops.., end);
    spill.truncate(&mut cells[HANDLE], end + teachers);
    (cells[BINS], cells[SUM], cells[TOPS]) = (kept as u64, sum, tops as u64 / 2);
}

/// Once a day the reference follows what was learned before, by no more than it may.
fn turn(cells: &mut [u64], spill: &Spill, day: u64) {
    if day <= cells[TURNED] {
        return;
    }
    let parts = parts(cells, spill);
    let body = if parts.sum >= SLOW_AT {
        counted(&parts, 0.5)
    } else {
        0.0
    };
    if body > 0.0 {
        let high = counted(&parts, HIGH);
        let spread = counted(&parts, HIGHEST) / high;
        let days = (day - cells[TURNED]).min(MOST_DAYS) as i32;
        cells[BODY] = follow(cells[BODY], body, BODY_MOVES.powi(days));
        cells[RATIO] = follow(cells[RATIO], high / body, RATIO_MOVES.powi(days));
        cells[SPREAD] = follow(cells[SPREAD], spread, RATIO_MOVES.powi(days));
    }
    cells[TURNED] = day;
}

fn follow(old: u64, new: f64, most: f64) -> u64 {
    let before = f64::from_bits(old);
    let after = if old == 0 {
        new
    } else {
        new.clamp(before / most, before * most)
    };
    after.to_bits()
}

/// How much of the values learned the reference lets stand.
fn scale(cells: &[u64], parts: &Parts<'_>) -> f64 {
    if cells[BODY] == 0 {
        return 1.0;
    }
    let allowed = SLACK * f64::from_bits(cells[BODY]) * f64::from_bits(cells[RATIO]);
    let at = |level: f64, most: f64| match counted(parts, level) {
        live if live > 0.0 => most / live,
        _ => 1.0,
    };
    let highest = at(HIGHEST, allowed * f64::from_bits(cells[SPREAD]));
    at(HIGH, allowed).min(highest).min(1.0)
}

/// The value that a share `q` stays at or below; missing without support.
#[must_use]
pub fn quantile(cells: &[u64], spill: &Spill, q: f64) -> f64 {
    let parts = parts(cells, spill);
    let fit = Fit::new(parts.top, parts.sum).filter(|fit| 1.0 - q < fit.share);
    let live = fit.map_or_else(|| counted(&parts, q), |fit| fit.quantile(1.0 - q));
    scale(cells, &parts) * live
}

/// The share at or above a value, with the value itself counted as one more.
#[must_use]
pub fn tail(cells: &[u64], spill: &Spill, value: f64) -> f64 {
    let parts = parts(cells, spill);
    let value = value / scale(cells, &parts);
    let is_top = parts
        .top
        .last()
        .is_some_and(|&last| value > f64::from_bits(last));
    if is_top && let Some(fit) = Fit::new(parts.top, parts.sum) {
        return fit.tail(value);
    }
    let above = if is_top || parts.top.len() as u64 == parts.sum {
        parts
            .top
            .partition_point(|&word| f64::from_bits(word) >= value) as f64
    } else {
        above(parts.bins, value)
    };
    (1.0 + above) / (1.0 + parts.sum as f64)
}

fn above(bins: &[u64], value: f64) -> f64 {
    let own = bin(value);
    let (mut higher, mut inside) = (0, 0.0);
    for pair in bins
        .chunks_exact(2)
        .rev()
        .take_while(|pair| pair[0] >> 32 >= own)
    {
        let count = pair[0] & 0xFFFF_FFFF;
        if pair[0] >> 32 == own {
            inside = count as f64 * share(own, f64::from_bits(pair[1]), value);
        } else {
            higher += count;
        }
    }
    higher as f64 + inside
}

/// The share of a bin that is at or above a value in it; whole numbers are taken for counts.
fn share(bin: u64, largest: f64, value: f64) -> f64 {
    let low = f64::from_bits(bin << 49);
    if bin == 0 || value <= low {
        return 1.0;
    }
    let (low, unit) = if is_whole(value) && is_whole(largest) {
        (low.ceil(), 1.0)
    } else {
        (low, 0.0)
    };
    let width = largest - low + unit;
    if width > 0.0 {
        ((largest - value + unit) / width).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

fn counted(parts: &Parts<'_>, q: f64) -> f64 {
    let wanted = (q * parts.sum as f64).ceil().max(1.0) as u64;
    if let Some(&value) = parts.top.get(parts.sum.saturating_sub(wanted) as usize) {
        return f64::from_bits(value);
    }
    let mut reached = 0;
    for pair in parts.bins.chunks_exact(2) {
        let count = pair[0] & 0xFFFF_FFFF;
        if reached + count >= wanted {
            return within(
                pair[0] >> 32,
                f64::from_bits(pair[1]),
                (wanted - reached) as f64 / count as f64,
            );
        }
        reached += count;
    }
    f64::NAN
}

/// The value that a share of a bin stays at or below.
fn within(bin: u64, largest: f64, share: f64) -> f64 {
    let low = f64::from_bits(bin << 49);
    let inside = if bin == 0 {
        largest
    } else {
        low + (largest - low) * share
    };
    if is_whole(largest) {
        inside.ceil()
    } else {
        inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::laws::Draw;

    /// A key that learns from new teachers every day.
    struct Key {
        cells: [u64; CELLS],
        spill: Spill,
        draw: Draw,
        day: i64,
    }

    impl Key {
        fn new() -> Self {
            Self {
                cells: [0; CELLS],
                spill: Spill::default(),
                draw: Draw(5),
                day: 20_000,
            }
        }

        /// A day of values of 1 to 100, times `level`.
        fn day(&mut self, count: u64, level: f64) {
            for _ in 0..count {
                let value = level * (1 + self.draw.next(100)) as f64;
                let (teacher, time) = (1 + self.draw.next(1 << 40), self.day * DAY);
                learn(&mut self.cells, &mut self.spill, value, teacher, time);
            }
            self.day += 1;
        }

        fn usual(&self) -> f64 {
            quantile(&self.cells, &self.spill, 0.99)
        }
    }

    #[test]
    fn a_jump_of_what_is_learned_is_followed_by_a_tenth_a_day() {
        let mut key = Key::new();
        (0..3).for_each(|_| key.day(2_000, 1.0));
        let before = key.usual();
        assert!((90.0..=100.0).contains(&before), "{before}");
        // Whoever may teach teaches ten times as much, in numbers that drown what was: the answer is held.
        key.day(20_000, 10.0);
        let after = key.usual();
        assert!(after <= SLACK * before * 1.1, "{before} {after}");
        (0..5).for_each(|_| key.day(20_000, 10.0));
        let later = key.usual();
        assert!(
            later > after && later <= SLACK * before * BODY_MOVES.powi(7),
            "{after} {later}"
        );
    }

    #[test]
    fn a_rise_that_is_slow_enough_is_followed_whole() {
        let mut key = Key::new();
        let mut level = 1.0;
        for _ in 0..40 {
            key.day(40_000, level);
            level *= 1.02;
        }
        let (usual, expected) = (key.usual(), 100.0 * level);
        assert!(
            (0.8 * expected..=1.2 * expected).contains(&usual),
            "{usual} {expected}"
        );
    }

    #[test]
    fn days_without_values_count_a_week_at_most() {
        let mut key = Key::new();
        (0..3).for_each(|_| key.day(2_000, 1.0));
        let before = key.usual();
        key.day += 300;
        key.day(20_000, 100.0);
        key.day(1, 100.0);
        let most = SLACK * before * BODY_MOVES.powi(MOST_DAYS as i32 + 2);
        assert!(key.usual() <= 1.3 * most, "{} {most}", key.usual());
    }

    #[test]
    fn too_few_contributions_make_no_reference() {
        let mut key = Key::new();
        key.day(SLOW_AT - 1, 1.0);
        key.day(1, 1.0);
        assert_eq!(key.cells[BODY], 0);
        key.day(1, 1.0);
        assert_ne!(key.cells[BODY], 0);
    }
}
