//! `trw(failed, by, where)`: threshold random walk, the log-odds that the failures of a key are an attacker's.
//!
//! Jung, Paxson, Berger, Balakrishnan: Fast Portscan Detection Using Sequential Hypothesis Testing (2004). The odds
//! decay by half in each half life, so that a walk long over is forgotten.

use super::{Moment, Settings, Spill, Tally};

/// Cells: log-odds, time of the last counted row plus 1.
#[derive(Clone, Copy, Debug)]
pub struct Trw {
    up: f64,
    down: f64,
    half_life: f64,
    floor: f64,
    ceiling: f64,
}

impl Trw {
    #[inline]
    fn decayed(&self, cells: &[u64], time: i64) -> f64 {
        if cells[1] == 0 {
            return 0.0;
        }
        let past = time.wrapping_sub((cells[1] - 1) as i64).max(0);
        if past == 0 {
            return f64::from_bits(cells[0]);
        }
        f64::from_bits(cells[0]) * (-(past as f64) / self.half_life).exp2()
    }
}

impl Tally for Trw {
    type Operand = i8;
    type Answer = f64;
    const OPERAND: &'static str = "failed";
    const CELLS: usize = 2;
    const FRESH: f64 = 0.0;

    fn build(settings: &Settings<'_>) -> Result<Self, String> {
        let (normal, attack) = (settings.number("normal", None)?, settings.number("attack", None)?);
        if !(0.0 < normal && normal < attack && attack < 1.0) {
            return Err("0 < `normal` < `attack` < 1 is wanted".into());
        }
        let floor = settings.number("floor", Some((0.01f64 / (1.0 - 1e-5)).ln()))?;
        let ceiling = settings.number("ceiling", Some(12.0 * 10f64.ln()))?;
        if !(floor <= 0.0 && 0.0 <= ceiling) {
            return Err("`floor` <= 0 <= `ceiling` is wanted".into());
        }
        let half_life = settings.integer("half_life", 1, super::window::LONGEST)? as f64;
        let (up, down) = ((attack / normal).ln(), ((1.0 - attack) / (1.0 - normal)).ln());
        Ok(Self { up, down, half_life, floor, ceiling })
    }

    #[inline]
    fn moment(&self, time: i64, _: Moment) -> Moment {
        Moment::at(time)
    }

    #[inline]
    fn count(&self, cells: &mut [u64], _: &mut Spill, now: Moment, failed: i8) {
        let step = if failed > 0 { self.up } else { self.down };
        let odds = self.decayed(cells, now.time) + step;
        cells[0] = odds.clamp(self.floor, self.ceiling).to_bits();
        cells[1] = now.time as u64 + 1;
    }

    #[inline]
    fn answer(&self, cells: &[u64], _: &Spill, now: Moment) -> f64 {
        self.decayed(cells, now.time)
    }
}
