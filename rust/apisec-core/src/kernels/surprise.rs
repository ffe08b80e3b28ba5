//! `surprise(value, by, taught_by)`: how unusual a value is after the one before, in bits.
//!
//! A Markov chain of order 1 with additive smoothing: -log2((c + 0.5) / (n + 0.5 (V + 1))) of c times this successor, n
//! times any, V successors known. Counts fade by half in a day.

use super::learned;
use crate::table::Spill;

/// Cells: handle of the list, successors in it, time of the last lesson plus 1.
/// The list: two words a successor (its id, its count as a number), then the first teachers.
pub const CELLS: usize = 3;

/// Successors kept of a state; another takes the place of the least usual.
const KEPT: usize = 64;
/// Counts halve in this long, ns.
const HALF_LIFE: f64 = 86_400e9;

const HANDLE: usize = 0;
const VALUES: usize = 1;
const LAST: usize = 2;

/// Whether enough teachers are known to judge.
#[inline]
#[must_use]
pub fn is_supported(cells: &[u64], spill: &Spill) -> bool {
    spill.list(cells[HANDLE]).len() >= 2 * cells[VALUES] as usize + learned::SUPPORT
}

/// Learns one successor from one teacher.
pub fn learn(cells: &mut [u64], spill: &mut Spill, value: u64, teacher: u64, time: i64) {
    let words = 2 * cells[VALUES] as usize;
    learned::know(&mut cells[HANDLE], spill, words, teacher);
    let pairs = &mut spill.list_mut(cells[HANDLE])[..words];
    if cells[LAST] != 0 {
        fade(pairs, time.saturating_sub((cells[LAST] - 1) as i64));
    }
    cells[LAST] = time as u64 + 1;
    if let Some(pair) = pairs.chunks_exact_mut(2).find(|pair| pair[0] == value) {
        pair[1] = (f64::from_bits(pair[1]) + 1.0).to_bits();
    } else if words < 2 * KEPT {
        spill.insert(&mut cells[HANDLE], words, &[value, 1f64.to_bits()]);
        cells[VALUES] += 1;
    } else if let Some(least) = pairs
        .chunks_exact_mut(2)
        .min_by(|a, b| f64::from_bits(a[1]).total_cmp(&f64::from_bits(b[1])))
    {
        least.copy_from_slice(&[value, 1f64.to_bits()]);
    }
}

fn fade(pairs: &mut [u64], past: i64) {
    if past > 0 {
        let share = (-(past as f64) / HALF_LIFE).exp2();
        for pair in pairs.chunks_exact_mut(2) {
            pair[1] = (f64::from_bits(pair[1]) * share).to_bits();
        }
    }
}

/// Bits of surprise at a successor, as of the last lesson.
#[must_use]
pub fn answer(cells: &[u64], spill: &Spill, value: u64) -> f64 {
    let pairs = spill.list(cells[HANDLE])[..2 * cells[VALUES] as usize].chunks_exact(2);
    let (mut seen, mut all) = (0.0, 0.0);
    for pair in pairs {
        let count = f64::from_bits(pair[1]);
        all += count;
        if pair[0] == value {
            seen = count;
        }
    }
    -((seen + 0.5) / (all + 0.5 * (cells[VALUES] + 1) as f64)).log2()
}
