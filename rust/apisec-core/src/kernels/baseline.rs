//! Baselines: what is usual for a key, learned from one value per teacher and window; `quantile` and `tail` ask it.
//!
//! A histogram of log-linear bins (eight to an octave). Learning happens at ticks only; asking changes nothing.

use crate::table::Spill;

/// Cells: handle of the list, bins, sum of the counts.
/// The list: two words a bin (`bin << 32 | count`, largest value), in order of bin; then the ids of the first teachers.
pub const CELLS: usize = 3;

/// Cells of what waits for its window to close: number of the first row plus 1, largest value, `by`, `taught_by`, and one
/// that pays for its place in the line.
pub const PENDING_CELLS: usize = 5;

/// A baseline answers only when it knows this many teachers.
pub const SUPPORT: usize = 20;

/// At this sum all counts are halved, so that the past fades.
const HALVED_AT: u64 = 16_384;

const HANDLE: usize = 0;
const BINS: usize = 1;
const SUM: usize = 2;

/// What a node asks of a baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Question {
    /// The value that this share of what was taught does not exceed.
    Quantile(f64),
    /// The share of what was taught at or above the row's value.
    Tail,
}

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

/// Whether enough teachers are known to judge.
#[inline]
#[must_use]
pub fn is_supported(cells: &[u64], spill: &Spill) -> bool {
    spill.list(cells[HANDLE]).len() >= 2 * cells[BINS] as usize + SUPPORT
}

/// Learns one value of one teacher.
pub fn learn(cells: &mut [u64], spill: &mut Spill, value: f64, teacher: u64) {
    know(cells, spill, teacher);
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
    if cells[SUM] >= HALVED_AT {
        halve(cells, spill);
    }
}

/// Notes the teacher, unless enough are known.
fn know(cells: &mut [u64], spill: &mut Spill, teacher: u64) {
    let known = &spill.list(cells[HANDLE])[2 * cells[BINS] as usize..];
    if known.len() < SUPPORT && !known.contains(&teacher) {
        spill.insert(&mut cells[HANDLE], usize::MAX, &[teacher]);
    }
}

fn halve(cells: &mut [u64], spill: &mut Spill) {
    let bins = cells[BINS] as usize;
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
    let teachers = list.len() - 2 * bins;
    list.copy_within(2 * bins.., 2 * kept);
    spill.truncate(&mut cells[HANDLE], 2 * kept + teachers);
    cells[BINS] = kept as u64;
    cells[SUM] = sum;
}

/// Answers a question about a value's bin; missing without support.
#[must_use]
pub fn answer(cells: &[u64], spill: &Spill, question: Question, bin: u64) -> f64 {
    if !is_supported(cells, spill) {
        return f64::NAN;
    }
    let pairs = spill.list(cells[HANDLE])[..2 * cells[BINS] as usize].chunks_exact(2);
    let sum = cells[SUM] as f64;
    match question {
        Question::Quantile(q) => {
            let wanted = (q * sum).ceil().max(1.0);
            let mut seen = 0;
            for pair in pairs {
                seen += pair[0] & 0xFFFF_FFFF;
                if seen as f64 >= wanted {
                    return f64::from_bits(pair[1]);
                }
            }
            f64::NAN
        }
        Question::Tail => {
            let above: u64 = pairs
                .filter(|pair| pair[0] >> 32 >= bin)
                .map(|pair| pair[0] & 0xFFFF_FFFF)
                .sum();
            (1 + above) as f64 / (1.0 + sum)
        }
    }
}
