//! `owner(object, by, principal, where)`: whether a row's principal is another than the confirmed owner of the object.

use super::{Moment, Settings, Spill, Tally};

/// An owner is confirmed when it comes back this long (ns) after it first came.
const CONFIRMED: i64 = 1_000_000_000;

/// Cells: the first principal, and the time it came in ns plus 1, whose complement says that it came back.
#[derive(Clone, Copy, Debug)]
pub struct Owner;

impl Tally for Owner {
    type Operand = u64;
    type Answer = f64;
    const OPERAND: &'static str = "principal";
    const CELLS: usize = 2;
    const FRESH: f64 = f64::NAN;

    fn build(_: &Settings<'_>) -> Result<Self, String> {
        Ok(Self)
    }

    #[inline]
    fn moment(&self, time: i64, _: Moment) -> Moment {
        Moment::at(time)
    }

    #[inline]
    fn count(&self, cells: &mut [u64], _: &mut Spill, now: Moment, principal: u64) {
        if cells[0] == 0 {
            (cells[0], cells[1]) = (principal, now.time as u64 + 1);
        } else if cells[0] == principal && !is_confirmed(cells) {
            let first = (cells[1] - 1) as i64;
            if now.time.saturating_sub(first) >= CONFIRMED {
                cells[1] = !cells[1];
            }
        }
    }

    #[inline]
    fn answer(&self, _: &[u64], _: &Spill, _: Moment) -> f64 {
        f64::NAN
    }

    #[inline]
    fn answer_to(&self, cells: &[u64], _: &Spill, _: Moment, principal: u64) -> f64 {
        if principal == 0 || !is_confirmed(cells) {
            f64::NAN
        } else {
            f64::from(u8::from(cells[0] != principal))
        }
    }
}

/// Times are below the sign bit, their complements above.
#[inline]
fn is_confirmed(cells: &[u64]) -> bool {
    (cells[1] as i64) < 0
}
