//! The tail beyond what was counted: a generalised Pareto over the logarithms of what lies above a threshold.
//!
//! Probability weighted moments: Hosking, Wallis: Parameter and Quantile Estimation for the Generalized Pareto
//! Distribution (1987). The shape is drawn towards 0 as by 50 more values and then raised by half of its standard error,
//! because an answer too small is a false alarm and one too large is not.

/// Contributions and values above the threshold that a fit wants.
const AT: u64 = 1_280;
const LEAST: usize = 40;
const PRIOR: f64 = 50.0;
const LARGEST: f64 = 0.5;
/// Few steps of a count look like an end of the tail; they are believed only so far.
const LEAST_WHOLE: f64 = -0.2;
const NEARLY_ZERO: f64 = 1e-6;

/// A fitted tail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    start: f64,
    /// The share of all that lies above the threshold.
    pub share: f64,
    shape: f64,
    scale: f64,
    whole: bool,
}

/// Whether a number may be a count.
#[inline]
#[must_use]
pub fn is_whole(value: f64) -> bool {
    value.is_finite() && value == value.floor()
}

impl Fit {
    /// Fits the largest values, the largest first; the last is the threshold. None when there are too few.
    #[must_use]
    pub fn new(top: &[u64], sum: u64) -> Option<Self> {
        let (first, last) = (f64::from_bits(*top.first()?), f64::from_bits(*top.last()?));
        if sum < AT || last <= 0.0 {
            return None;
        }
        let size = top.partition_point(|&word| f64::from_bits(word) > last);
        if size < LEAST {
            return None;
        }
        let whole = is_whole(first) && is_whole(last);
        let start = if whole { last + 0.5 } else { last };
        let count = size as f64;
        let (mut mean, mut ranked) = (0.0, 0.0);
        for (rank, &word) in top[..size].iter().enumerate() {
            let above = (f64::from_bits(word) / start).ln();
            mean += above;
            ranked += above * ((rank as f64 + 0.5) / count);
        }
        (mean, ranked) = (mean / count, ranked / count);
        let spread = mean - 2.0 * ranked;
        let raw = if spread > 0.0 {
            2.0 - mean / spread
        } else {
            LARGEST
        };
        let least = if whole { LEAST_WHOLE } else { -LARGEST };
        let shape = (count * raw / (count + PRIOR) + 0.5 / count.sqrt()).clamp(least, LARGEST);
        let share = count / sum as f64;
        Some(Self {
            start,
            share,
            shape,
            scale: mean * (1.0 - shape),
            whole,
        })
    }

    /// The share at or above a value that is above the threshold.
    #[must_use]
    pub fn tail(&self, value: f64) -> f64 {
        let value = if self.whole && is_whole(value) {
            value - 0.5
        } else {
            value
        };
        let height = (value / self.start).ln().max(0.0) / self.scale;
        if self.shape.abs() < NEARLY_ZERO {
            return self.share * (-height).exp();
        }
        let inside = 1.0 + self.shape * height;
        if inside > 0.0 {
            self.share * inside.powf(-1.0 / self.shape)
        } else {
            0.0
        }
    }

    /// The value that a share `p`, less than `share`, lies above.
    #[must_use]
    pub fn quantile(&self, p: f64) -> f64 {
        let ratio = p / self.share;
        let height = if self.shape.abs() < NEARLY_ZERO {
            -ratio.ln()
        } else {
            (ratio.powf(-self.shape) - 1.0) / self.shape
        };
        self.start * (self.scale * height).exp()
    }
}
