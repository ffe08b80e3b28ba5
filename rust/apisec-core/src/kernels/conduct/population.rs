//! What sessions of a service do, feature by feature: one vote a session, in front of a prior of six.

use super::person::FEATURES;

/// Sessions that a prior counts for.
const PRIOR: f64 = 6.0;
/// Channels whose null the population may teach.
pub const TAUGHT: usize = 3;
/// Votes, and sums of means, squared means, variances and inverse trials.
const WORDS: usize = 5;
/// Words of all that is known of a population: its features and channels, then the waits and loads of its pages (sum, votes).
pub const POPULATION: usize = (FEATURES + TAUGHT) * WORDS + 4;
const WAITS: usize = POPULATION - 4;
const LOADS: usize = POPULATION - 2;

/// Mean, and variance within a session and between sessions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usual {
    /// Mean over sessions.
    pub mean: f64,
    /// Variance of one trial about its session's mean.
    pub within: f64,
    /// Variance of the sessions' means.
    pub between: f64,
}

/// A prior: mean, and standard deviations within and between.
pub type Prior = (f64, f64, f64);

/// A null: mean and deviation of people's shares, and the most lenient that a population may teach.
pub type Null = (f64, f64, f64, f64);

fn number(word: u64) -> f64 {
    f64::from_bits(word)
}

/// One session's vote: trials, their sum and the sum of their squares.
pub fn teach(words: &mut [u64], at: usize, (trials, sum, squares): (f64, f64, f64)) {
    let Some(words) = words
        .get_mut(at * WORDS..(at + 1) * WORDS)
        .filter(|_| trials >= 3.0)
    else {
        return;
    };
    let mean = sum / trials;
    let variance = ((squares - trials * mean * mean) / (trials - 1.0)).max(0.0);
    for (word, more) in words
        .iter_mut()
        .zip([1.0, mean, mean * mean, variance, 1.0 / trials])
    {
        *word = (number(*word) + more).to_bits();
    }
}

/// What is usual, from a prior and the votes.
pub fn usual(words: &[u64], at: usize, (mean, within, between): Prior) -> Usual {
    let mut sums = [0.0; WORDS];
    if let Some(words) = words.get(at * WORDS..(at + 1) * WORDS) {
        sums.iter_mut()
            .zip(words)
            .for_each(|(sum, word)| *sum = number(*word));
    }
    let [votes, means, squares, variances, inverses] = sums;
    let apart = if votes >= 3.0 {
        let variance = (squares - means * means / votes) / (votes - 1.0);
        (variance - variances / votes * inverses / votes).max(0.0)
    } else {
        0.0
    };
    Usual {
        mean: (PRIOR * mean + means) / (PRIOR + votes),
        within: (PRIOR * within * within + variances) / (PRIOR + votes),
        between: (PRIOR * between * between + votes * apart) / (PRIOR + votes),
    }
}

/// The null of a channel as a beta distribution's parameters: the population may make it more lenient only, and so far.
pub fn null(words: &[u64], channel: usize, (mean, deviation, most, widest): Null) -> (f64, f64) {
    let known = usual(words, FEATURES + channel, (mean, 0.4, deviation));
    let mean = known.mean.max(mean).min(most);
    let deviation = known
        .between
        .sqrt()
        .max(deviation)
        .min(widest)
        .min(0.9 * (mean * (1.0 - mean)).sqrt());
    beta(mean, deviation)
}

/// The parameters of a beta distribution by its mean and deviation.
pub fn beta(mean: f64, deviation: f64) -> (f64, f64) {
    let weight = mean * (1.0 - mean) / (deviation * deviation) - 1.0;
    (mean * weight, (1.0 - mean) * weight)
}

/// A vote on how long one waits on a page (as a logarithm), or whether one leaves it without a load.
pub fn vote(words: &mut [u64], loads: bool, value: f64) {
    let at = if loads { LOADS } else { WAITS };
    if let Some([sum, votes]) = words.get_mut(at..at + 2) {
        *sum = (number(*sum) + value).to_bits();
        *votes = (number(*votes) + 1.0).to_bits();
    }
}

/// The sum and number of votes on waits or loads.
pub fn votes(words: &[u64], loads: bool) -> (f64, f64) {
    let at = if loads { LOADS } else { WAITS };
    match words.get(at..at + 2) {
        Some(&[sum, votes]) => (number(sum), number(votes)),
        _ => (0.0, 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_s_votes_leave_the_prior() {
        let usual = usual(&[], 0, (0.4, 0.5, 0.1));
        assert!((usual.mean - 0.4).abs() < 1e-12 && (usual.within - 0.25).abs() < 1e-12);
        let (a, b) = null(&[], 0, (0.3, 0.12, 0.45, 0.15));
        assert!((a / (a + b) - 0.3).abs() < 1e-12);
    }

    #[test]
    fn a_population_moves_a_null_up_to_its_bound_only() {
        let mut words = vec![0; POPULATION];
        for _ in 0..1000 {
            teach(&mut words, FEATURES, (10.0, 9.0, 9.0));
        }
        let (a, b) = null(&words, 0, (0.3, 0.12, 0.45, 0.15));
        assert!((a / (a + b) - 0.45).abs() < 1e-12);
        teach(&mut words, 1, (2.0, 2.0, 2.0));
        assert_eq!(
            usual(&words, 1, (0.0, 1.0, 1.0)).mean,
            0.0,
            "two trials say nothing"
        );
    }
}
