//! `count(by, where)`: rows in the window, this one with them.

use super::{Moment, Settings, Spill, Tally, window};

/// Cells: newest part, then eight counts of 32 bits, a part's count at its number modulo eight.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    window: window::Window,
}

impl Tally for Count {
    type Operand = ();
    type Answer = f64;
    const OPERAND: &'static str = "";
    const CELLS: usize = 5;
    const FRESH: f64 = 0.0;

    fn build(settings: &Settings<'_>) -> Result<Self, String> {
        Ok(Self { window: window::Window::new(settings.integer("within", 1, window::LONGEST)?) })
    }

    #[inline]
    fn moment(&self, time: i64, before: Moment) -> Moment {
        self.window.moment(time, before)
    }

    #[inline]
    fn count(&self, cells: &mut [u64], _: &mut Spill, now: Moment, (): ()) {
        if cells[0] != now.part {
            for part in 1..=window::passed(cells[0], now.part) {
                set(cells, cells[0].wrapping_add(part), 0);
            }
            cells[0] = now.part;
        }
        let seen = get(cells, now.part);
        set(cells, now.part, seen.saturating_add(1));
    }

    #[inline]
    fn answer(&self, cells: &[u64], _: &Spill, now: Moment) -> f64 {
        if cells[0] == now.part {
            return cells[1..5].iter().map(|pair| (pair & 0xFFFF_FFFF) + (pair >> 32)).sum::<u64>() as f64;
        }
        let gone = window::passed(cells[0], now.part);
        (gone + 1..=window::PARTS).map(|part| u64::from(get(cells, cells[0].wrapping_add(part)))).sum::<u64>() as f64
    }
}

#[inline]
fn get(cells: &[u64], part: u64) -> u32 {
    let part = part % window::PARTS;
    (cells[1 + part as usize / 2] >> (32 * (part % 2))) as u32
}

#[inline]
fn set(cells: &mut [u64], part: u64, count: u32) {
    let part = part % window::PARTS;
    let (cell, shift) = (&mut cells[1 + part as usize / 2], 32 * (part % 2));
    *cell = *cell & !(0xFFFF_FFFF << shift) | u64::from(count) << shift;
}
