//! `streak(condition, by, where)`: rows in a row for which the condition held, this one with them.

use super::{Moment, Settings, Spill, Tally, window};

/// Cells: rows in a row, time of the last counted row plus 1. A pause longer than `within` ends a streak.
#[derive(Clone, Copy, Debug)]
pub struct Streak {
    within: i64,
}

impl Tally for Streak {
    type Operand = i8;
    type Answer = f64;
    const OPERAND: &'static str = "condition";
    const CELLS: usize = 2;
    const FRESH: f64 = 0.0;

    fn build(settings: &Settings<'_>) -> Result<Self, String> {
        Ok(Self { within: settings.integer("within", 1, window::LONGEST)? })
    }

    #[inline]
    fn moment(&self, time: i64, _: Moment) -> Moment {
        Moment::at(time)
    }

    #[inline]
    fn count(&self, cells: &mut [u64], _: &mut Spill, now: Moment, condition: i8) {
        let before = if window::is_recent(cells[1], now, self.within) { cells[0] } else { 0 };
        cells[0] = if condition > 0 { before + 1 } else { 0 };
        cells[1] = now.time as u64 + 1;
    }

    #[inline]
    fn answer(&self, cells: &[u64], _: &Spill, now: Moment) -> f64 {
        if window::is_recent(cells[1], now, self.within) { cells[0] as f64 } else { 0.0 }
    }
}
