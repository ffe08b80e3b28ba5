//! Scores in nats: minus the logarithm of how common something is.

/// No single term says more.
const CAP: f64 = 9.0;
/// What the terms beside the largest count for, of what they have over a nat.
const OTHERS: f64 = 0.5;

/// The nats of a probability.
pub fn nats(p: f64) -> f64 {
    (-p.max(1e-12).ln()).min(CAP)
}

/// The largest, and half of what the others have over a nat.
pub fn together(terms: &[f64]) -> f64 {
    let largest = terms.iter().copied().fold(0.0, f64::max);
    let over = |nats: f64| (nats - 1.0).max(0.0);
    let all: f64 = terms.iter().copied().map(over).sum();
    largest + OTHERS * (all - over(largest)).max(0.0)
}
