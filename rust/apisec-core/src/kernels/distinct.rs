//! `distinct(of, by, where)`: different ids in the window, this row's with them, at most `limit`.

use super::{Moment, Settings, Spill, Tally, window};

const PART_BITS: u64 = 0xFFFF;

/// Cells: handle of the values kept, newest part. A value is an id whose low 16 bits give way to the part it was last
/// seen in; values lie in order of id, so one is found in ten steps and a full set costs no more than a small one.
#[derive(Clone, Copy, Debug)]
pub struct Distinct {
    window: window::Window,
    limit: usize,
}

impl Tally for Distinct {
    type Operand = u64;
    type Answer = f64;
    const OPERAND: &'static str = "of";
    const CELLS: usize = 2;
    const FRESH: f64 = 0.0;
    const SPILLS: bool = true;

    fn build(settings: &Settings<'_>) -> Result<Self, String> {
        let window = window::Window::new(settings.integer("within", 1, window::LONGEST)?);
        Ok(Self { window, limit: settings.integer("limit", 1, 65_536)? as usize })
    }

    #[inline]
    fn moment(&self, time: i64, before: Moment) -> Moment {
        self.window.moment(time, before)
    }

    #[inline]
    fn count(&self, cells: &mut [u64], spill: &mut Spill, now: Moment, of: u64) {
        let [handle, newest] = cells else { return };
        if *newest != now.part {
            if *newest != 0 {
                drop_expired(handle, spill, *newest, now.part);
            }
            *newest = now.part;
        }
        let value = of & !PART_BITS | number(now.part);
        let list = spill.list(*handle);
        let at = list.partition_point(|&kept| kept | PART_BITS < of & !PART_BITS);
        if list.get(at).is_some_and(|&kept| kept & !PART_BITS == of & !PART_BITS) {
            spill.list_mut(*handle)[at] = value;
        } else if list.len() < self.limit {
            spill.insert(handle, at, &[value]);
        }
    }

    #[inline]
    fn answer(&self, cells: &[u64], spill: &Spill, now: Moment) -> f64 {
        let list = spill.list(cells[0]);
        if cells[1] == now.part {
            return list.len() as f64;
        }
        if window::passed(cells[1], now.part) == window::PARTS {
            return 0.0;
        }
        list.iter().filter(|&&value| age(value, now.part) < window::PARTS).count() as f64
    }
}

/// The part as the contract numbers it, in the bits a value keeps.
#[inline]
fn number(part: u64) -> u64 {
    part.wrapping_sub(1) & PART_BITS
}

#[inline]
fn age(value: u64, now: u64) -> u64 {
    number(now).wrapping_sub(value) & PART_BITS
}

fn drop_expired(handle: &mut u64, spill: &mut Spill, newest: u64, now: u64) {
    if window::passed(newest, now) == window::PARTS {
        spill.truncate(handle, 0);
    } else {
        spill.retain(handle, |&value| age(value, now) < window::PARTS);
    }
}
