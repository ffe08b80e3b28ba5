//! `total(value, by, where)`: the sum of a number over the window, this row's with it.

use super::{Moment, Settings, Spill, Tally, window};

/// Cells: newest part, then eight sums, a part's sum at its number modulo eight.
#[derive(Clone, Copy, Debug)]
pub struct Total {
    window: window::Window,
}

impl Tally for Total {
    type Operand = f64;
    type Answer = f64;
    const OPERAND: &'static str = "value";
    const CELLS: usize = 9;
    const FRESH: f64 = 0.0;

    fn build(settings: &Settings<'_>) -> Result<Self, String> {
        Ok(Self { window: window::Window::new(settings.integer("within", 1, window::LONGEST)?) })
    }

    #[inline]
    fn moment(&self, time: i64, before: Moment) -> Moment {
        self.window.moment(time, before)
    }

    #[inline]
    fn count(&self, cells: &mut [u64], _: &mut Spill, now: Moment, value: f64) {
        if cells[0] != now.part {
            for part in 1..=window::passed(cells[0], now.part) {
                cells[place(cells[0].wrapping_add(part))] = 0;
            }
            cells[0] = now.part;
        }
        let sum = &mut cells[place(now.part)];
        *sum = (f64::from_bits(*sum) + value).to_bits();
    }

    /// Sums the oldest part first: floating point keeps the order, so the order is part of the answer.
    #[inline]
    fn answer(&self, cells: &[u64], _: &Spill, now: Moment) -> f64 {
        let gone = window::passed(cells[0], now.part);
        let mut sum = 0.0;
        for part in gone + 1..=window::PARTS {
            sum += f64::from_bits(cells[place(cells[0].wrapping_add(part))]);
        }
        if sum.is_finite() { sum } else { f64::NAN }
    }
}

#[inline]
fn place(part: u64) -> usize {
    1 + (part % window::PARTS) as usize
}
