//! `last(value, by, where)` of an id: the one in the counted row before this one.

use super::{Moment, Settings, Spill, Tally, window};

/// Cells: time of the last counted row plus 1, its value. What is older than `within` is forgotten.
#[derive(Clone, Copy, Debug)]
pub struct LastId {
    within: i64,
}

impl Tally for LastId {
    type Operand = u64;
    type Answer = u64;
    const OPERAND: &'static str = "value";
    const CELLS: usize = 2;
    const FIRST: bool = true;
    const FRESH: u64 = 0;

    fn build(settings: &Settings<'_>) -> Result<Self, String> {
        Ok(Self { within: settings.integer("within", 1, window::LONGEST)? })
    }

    #[inline]
    fn moment(&self, time: i64, _: Moment) -> Moment {
        Moment::at(time)
    }

    #[inline]
    fn count(&self, cells: &mut [u64], _: &mut Spill, now: Moment, value: u64) {
        cells.copy_from_slice(&[now.time as u64 + 1, value]);
    }

    #[inline]
    fn answer(&self, cells: &[u64], _: &Spill, now: Moment) -> u64 {
        if window::is_recent(cells[0], now, self.within) { cells[1] } else { 0 }
    }
}
