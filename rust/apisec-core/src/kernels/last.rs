//! `last(value, by, where)`: the number in the counted row before this one.

use super::{Moment, Settings, Spill, Tally, window};

/// Cells: time of the last counted row plus 1, its value. What is older than `within` is forgotten.
#[derive(Clone, Copy, Debug)]
pub struct Last {
    within: i64,
}

impl Tally for Last {
    type Operand = f64;
    type Answer = f64;
    const OPERAND: &'static str = "value";
    const CELLS: usize = 2;
    const FIRST: bool = true;
    const FRESH: f64 = f64::NAN;

    fn build(settings: &Settings<'_>) -> Result<Self, String> {
        Ok(Self { within: settings.integer("within", 1, window::LONGEST)? })
    }

    #[inline]
    fn moment(&self, time: i64, _: Moment) -> Moment {
        Moment::at(time)
    }

    #[inline]
    fn count(&self, cells: &mut [u64], _: &mut Spill, now: Moment, value: f64) {
        cells.copy_from_slice(&[now.time as u64 + 1, value.to_bits()]);
    }

    #[inline]
    fn answer(&self, cells: &[u64], _: &Spill, now: Moment) -> f64 {
        if window::is_recent(cells[0], now, self.within) { f64::from_bits(cells[1]) } else { f64::NAN }
    }
}
