//! `novelty(value, by, taught_by)`: how likely a value is that a key never had.
//!
//! Good: The Population Frequencies of Species (1953): the chance of a new value is the share of those taught once.

use super::learned;
use crate::table::Spill;

/// Cells: handle of the list, values in it, contributions, contributions of values that found no place.
/// The list: values in order (an id whose low 16 bits give way to how often it was taught), then the first teachers.
pub const CELLS: usize = 4;

/// Values kept of a key; each contribution of another counts as a value taught once.
const KEPT: usize = 256;
const TIMES: u64 = 0xFFFF;

const HANDLE: usize = 0;
const VALUES: usize = 1;
const SUM: usize = 2;
const BEYOND: usize = 3;

/// Whether enough teachers are known to judge.
#[inline]
#[must_use]
pub fn is_supported(cells: &[u64], spill: &Spill) -> bool {
    spill.list(cells[HANDLE]).len() >= cells[VALUES] as usize + learned::SUPPORT
}

/// Which of a window's values is taught: the one of the least draw, and the draws are others in the next window.
#[inline]
#[must_use]
pub fn draw(value: u64, window: i64) -> u64 {
    let mixed = (value & !TIMES ^ window as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ mixed >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

/// Learns one value of one teacher.
pub fn learn(cells: &mut [u64], spill: &mut Spill, value: u64, teacher: u64) {
    let before = cells[VALUES] as usize;
    learned::know(&mut cells[HANDLE], spill, before, teacher);
    match place(cells, spill, value) {
        (at, true) => spill.list_mut(cells[HANDLE])[at] += 1,
        (at, false) if (cells[VALUES] as usize) < KEPT => {
            spill.insert(&mut cells[HANDLE], at, &[value & !TIMES | 1]);
            cells[VALUES] += 1;
        }
        _ => cells[BEYOND] += 1,
    }
    cells[SUM] += 1;
    if cells[SUM] >= learned::HALVED_AT {
        halve(cells, spill);
    }
}

/// Where a value is or belongs, and whether it is there.
fn place(cells: &[u64], spill: &Spill, value: u64) -> (usize, bool) {
    let values = &spill.list(cells[HANDLE])[..cells[VALUES] as usize];
    let at = values.partition_point(|&kept| kept | TIMES < value & !TIMES);
    let is_there = values
        .get(at)
        .is_some_and(|&kept| kept & !TIMES == value & !TIMES);
    (at, is_there)
}

fn halve(cells: &mut [u64], spill: &mut Spill) {
    let (values, mut kept, mut sum) = (cells[VALUES] as usize, 0, 0);
    let list = spill.list_mut(cells[HANDLE]);
    for at in 0..values {
        let times = (list[at] & TIMES) / 2;
        if times > 0 {
            list[kept] = list[at] & !TIMES | times;
            (kept, sum) = (kept + 1, sum + times);
        }
    }
    let teachers = list.len() - values;
    list.copy_within(values.., kept);
    spill.truncate(&mut cells[HANDLE], kept + teachers);
    (cells[VALUES], cells[BEYOND]) = (kept as u64, cells[BEYOND] / 2);
    cells[SUM] = sum + cells[BEYOND];
}

/// 1 for a value that was taught, else the chance of a new one, with this one counted.
#[must_use]
pub fn answer(cells: &[u64], spill: &Spill, value: u64) -> f64 {
    if place(cells, spill, value).1 {
        return 1.0;
    }
    let values = &spill.list(cells[HANDLE])[..cells[VALUES] as usize];
    let once = values.iter().filter(|&&kept| kept & TIMES == 1).count() as u64 + cells[BEYOND];
    (1 + once) as f64 / (1 + cells[SUM]) as f64
}
