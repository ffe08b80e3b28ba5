//! `always(condition, by, taught_by)`: a share of windows that a condition holds in at least, with 99 % certainty.
//!
//! The 1 % quantile of Beta(1 + held, 1 + broken), by halving; the distribution function by Lentz's continued fraction
//! (Press, Teukolsky, Vetterling, Flannery: Numerical Recipes, 6.4).

use super::learned;
use crate::table::Spill;

/// Cells: handle of the list of the first teachers, windows that the condition held in, windows that broke it.
pub const CELLS: usize = 3;

const ASKED: f64 = 0.01;
const HALVINGS: usize = 60;
const TINY: f64 = 1e-300;
const CLOSE: f64 = 1e-15;
const MOST_TERMS: usize = 400;

const HANDLE: usize = 0;
const HELD: usize = 1;
const BROKEN: usize = 2;

/// Whether enough teachers are known to judge.
#[inline]
#[must_use]
pub fn is_supported(cells: &[u64], spill: &Spill) -> bool {
    spill.list(cells[HANDLE]).len() >= learned::SUPPORT
}

/// Learns whether the condition was broken (1) in one window of one teacher.
pub fn learn(cells: &mut [u64], spill: &mut Spill, broken: u64, teacher: u64) {
    learned::know(&mut cells[HANDLE], spill, 0, teacher);
    cells[if broken == 0 { HELD } else { BROKEN }] += 1;
    if cells[HELD] + cells[BROKEN] >= learned::HALVED_AT {
        (cells[HELD], cells[BROKEN]) = (cells[HELD] / 2, cells[BROKEN] / 2);
    }
}

/// The lower bound.
#[must_use]
pub fn answer(cells: &[u64]) -> f64 {
    let (a, b) = (1.0 + cells[HELD] as f64, 1.0 + cells[BROKEN] as f64);
    let whole = log_gamma(a + b) - log_gamma(a) - log_gamma(b);
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if below(middle, a, b, whole) < ASKED {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// The share of Beta(a, b) below x.
fn below(x: f64, a: f64, b: f64, whole: f64) -> f64 {
    let front = (whole + a * x.ln() + b * (-x).ln_1p()).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(x, a, b) / a
    } else {
        1.0 - front * fraction(1.0 - x, b, a) / b
    }
}

fn fraction(x: f64, a: f64, b: f64) -> f64 {
    let held = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut over = 1.0;
    let mut under = 1.0 / held(1.0 - (a + b) * x / (a + 1.0));
    let mut product = under;
    for term in 1..MOST_TERMS {
        let m = term as f64;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        under = 1.0 / held(1.0 + even * under);
        over = held(1.0 + even / over);
        product *= under * over;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        under = 1.0 / held(1.0 + odd * under);
        over = held(1.0 + odd / over);
        product *= under * over;
        if (under * over - 1.0).abs() < CLOSE {
            break;
        }
    }
    product
}

/// Stirling's series, from 16 on.
fn log_gamma(x: f64) -> f64 {
    let (mut at, mut less) = (x, 0.0);
    while at < 16.0 {
        less += at.ln();
        at += 1.0;
    }
    let inverse = 1.0 / at;
    let square = inverse * inverse;
    let series =
        inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0)));
    (at - 0.5) * at.ln() - at + 0.5 * std::f64::consts::TAU.ln() + series - less
}

#[cfg(test)]
mod tests {
    use super::answer;

    #[test]
    fn the_bounds_are_the_published_ones() {
        let bounds = [
            (100, 0, 0.955),
            (200, 0, 0.977),
            (300, 0, 0.985),
            (500, 0, 0.991),
            (1000, 0, 0.995),
            (499, 1, 0.987),
        ];
        for (held, broken, bound) in bounds
            .into_iter()
            .chain([(998, 2, 0.992), (1995, 5, 0.9935)])
        {
            let found = answer(&[0, held, broken]);
            assert!((found - bound).abs() < 6e-4, "{held} and {broken}: {found}");
        }
    }
}
