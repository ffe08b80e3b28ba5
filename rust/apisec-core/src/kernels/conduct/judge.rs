//! Scores of a session: how machine-like its conduct is, and what evidence its channels hold.

use super::person::{CHANNELS, FEATURES, Person};
use super::population::{Null, Prior, TAUGHT, Usual, null, usual};

/// Priors of the features.
const PRIORS: [Prior; FEATURES] = [
    (0.0, 1.1, 0.45),
    (-0.45, 0.60, 0.25),
    (-1.0, 0.80, 0.25),
    (0.16, 0.14, 0.06),
    (0.0, 1.0, 0.35),
    (0.40, 0.46, 0.18),
    (0.06, 0.22, 0.08),
    (-0.20, 0.40, 0.12),
    (0.65, 0.47, 0.15),
    (0.0, 0.30, 0.15),
    (0.02, 0.14, 0.06),
    (0.02, 0.14, 0.06),
];
/// Features that say much the same are summed first: of time, of navigation, of loads, of refusals.
const GROUPS: [std::ops::Range<usize>; 4] = [0..5, 5..9, 9..10, 10..12];
/// One feature may excuse little, and accuse no more than four.
const BOUNDS: (f64, f64) = (-1.5, 4.0);
/// Nulls of the channels rhythm, restless and bare, and what a machine does.
pub const NULLS: [(Null, (f64, f64)); TAUGHT] = [
    ((0.30, 0.12, 0.45, 0.15), (18.0, 2.0)),
    (
        (0.70, 0.13, 0.90, 0.13),
        (0.985 * 20.0, (1.0 - 0.985) * 20.0),
    ),
    ((0.25, 0.18, 0.50, 0.22), (0.98 * 20.0, (1.0 - 0.98) * 20.0)),
];
/// The most of their trials that people hit in the walks probe and fuzz, and what a machine does.
pub const WALKS: [(f64, f64); 2] = [(0.25, 0.70), (0.30, 0.70)];

/// What is usual in a population, worked out once between two lessons.
#[derive(Clone, Debug)]
pub struct Norms {
    /// By feature.
    pub features: [Usual; FEATURES],
    /// By taught channel, as parameters of a beta distribution.
    pub nulls: [(f64, f64); TAUGHT],
}

impl Norms {
    /// Of a population's words.
    pub fn of(words: &[u64]) -> Self {
        Self {
            features: std::array::from_fn(|at| usual(words, at, PRIORS[at])),
            nulls: std::array::from_fn(|at| null(words, at, NULLS[at].0)),
        }
    }
}

/// Trials of a feature, their sum and the sum of their squares.
pub fn trials(person: &Person, at: usize) -> (f64, f64, f64) {
    let [pages, flat, narrow, reread, noback, bare] = person.trials;
    let number = match at {
        2 => flat,
        3 => narrow,
        4 => reread,
        7 => noback,
        9 => bare,
        10.. => person.requests,
        _ => pages,
    };
    let sum = f64::from(person.sums[at]);
    let squares = match at {
        0..=4 => f64::from(person.squares[at]),
        9 => f64::from(person.squares[5]),
        _ => sum.abs(),
    };
    (f64::from(number), sum, squares)
}

/// How far a feature lies on its machine-like side, in deviations; 0 where nothing is known.
pub fn deviation(person: &Person, norms: &Norms, at: usize) -> f64 {
    let ((number, sum, _), usual) = (trials(person, at), norms.features[at]);
    if number == 0.0 {
        return 0.0;
    }
    let spread = (number * usual.within + number * number * usual.between + 1e-9).sqrt();
    ((sum - number * usual.mean) / spread).clamp(BOUNDS.0, BOUNDS.1)
}

/// The session's score: groups count alike, features of one group are taken for correlated by half.
pub fn score(person: &Person, norms: &Norms) -> f64 {
    let group = |range: &std::ops::Range<usize>| {
        let many = range.len() as f64;
        let sum: f64 = range.clone().map(|at| deviation(person, norms, at)).sum();
        sum / (many + many * (many - 1.0) * 0.5).sqrt()
    };
    GROUPS.iter().map(group).sum::<f64>() / (GROUPS.len() as f64).sqrt()
}

/// The logarithm of the channels' mean evidence: an e-value whatever depends on what.
pub fn evidence(best: &[f32; CHANNELS]) -> f64 {
    let sum: f64 = best.iter().map(|one| f64::from(*one).min(60.0).exp()).sum();
    (sum / CHANNELS as f64).ln()
}

/// Log-likelihood ratio of `hits` of `trials` under two beta-binomials: (a, b) of a machine against those of people.
pub fn ratio(hits: f64, trials: f64, machine: (f64, f64), people: (f64, f64)) -> f64 {
    let likelihood = |(a, b): (f64, f64)| {
        log_gamma(a + hits) + log_gamma(b + trials - hits)
            - log_gamma(a + b + trials)
            - log_gamma(a)
            - log_gamma(b)
            + log_gamma(a + b)
    };
    likelihood(machine) - likelihood(people)
}

/// Stirling's series from 8 on, the recurrence below.
fn log_gamma(x: f64) -> f64 {
    let (mut x, mut product) = (x, 1.0);
    while x < 8.0 {
        product *= x;
        x += 1.0;
    }
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let series = inverse
        * (1.0 / 12.0
            - square
                * (1.0 / 360.0
                    - square * (1.0 / 1260.0 - square * (1.0 / 1680.0 - square / 1188.0))));
    (x - 0.5) * x.ln() - x + 0.918_938_533_204_672_7 + series - f64::ln(product)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_gamma_is_that_of_the_tables() {
        for (x, expected) in [
            (0.3, 1.095_797_994_818_075_7),
            (1.0, 0.0),
            (2.0, 0.0),
            (4.5, 2.453_736_570_842_442_5),
            (100.0, 359.134_205_369_575_4),
        ] {
            assert!(
                (log_gamma(x) - expected).abs() < 1e-10,
                "{x}: {}",
                log_gamma(x)
            );
        }
    }

    #[test]
    fn evidence_of_nothing_is_none() {
        assert!(evidence(&[0.0; CHANNELS]).abs() < 1e-12);
        assert!(evidence(&[12.0, 0.0, 0.0, 0.0, 0.0]) > 10.0);
    }
}
