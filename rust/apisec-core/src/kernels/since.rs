//! `since(by, where)`: seconds since the counted row before this one.

use super::{Moment, Settings, Spill, Tally, window};

/// Cell: time of the last counted row plus 1. What is older than `within` is forgotten.
#[derive(Clone, Copy, Debug)]
pub struct Since {
    within: i64,
}

impl Tally for Since {
    type Operand = ();
    type Answer = f64;
    const OPERAND: &'static str = "";
    const CELLS: usize = 1;
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
    fn count(&self, cells: &mut [u64], _: &mut Spill, now: Moment, (): ()) {
        cells[0] = now.time as u64 + 1;
    }

    #[inline]
    fn answer(&self, cells: &[u64], _: &Spill, now: Moment) -> f64 {
        if window::is_recent(cells[0], now, self.within) { (now.time as u64 + 1 - cells[0]) as f64 / 1e9 } else { f64::NAN }
    }
}
