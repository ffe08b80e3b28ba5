//! How high the scores of an endpoint and of its service usually are, and what a service lets odd requests teach (payload
//! model, 2.5).

use super::lanes::{cell, count_lane, halve, lane, pair, set_lane};

const BINS: usize = 80;
/// Bins to a nat.
const FINE: f64 = 2.0;
const BINS_AT: usize = 2;
const VERSIONS_AT: usize = BINS_AT + BINS / 4;
const VERSIONS: usize = 4;
const TEACHERS_AT: usize = VERSIONS_AT + 2;
const TEACHERS: usize = 16;
/// Cells of scores: observations and odd ones, the 95th percentile and tokens, bins, versions and requests since one was new,
/// and who has taught odd requests last.
pub const CELLS: usize = TEACHERS_AT + 1 + TEACHERS / 4;

/// The share of scores above which p-values are small.
pub const ANCHOR: f64 = 0.05;
/// Nats of score to one of p.
const SLOPE: f64 = 2.0;
/// A service is worth so many observations of an endpoint.
const SERVICE: f64 = 200.0;
/// Until so many scores are known, the percentile is this at least.
const FEW: u32 = 50;
const LEAST: f64 = 3.0;
/// Until so many requests of a service, or since it has a new version, nothing but syntax says more than `COLD`.
pub const WARM: u32 = 300;
const COLD: f64 = 1e-3;

/// Tokens: how many a request that is not odd earns, and how many there are at most.
const EARNED: f32 = 0.005;
const PURSE: f32 = 10.0;

/// Scores observed, and odd ones among them.
pub fn counts(cells: Option<&[u64]>) -> (u32, u32) {
    cells.map_or((0, 0), |cells| pair(cells[0]))
}

fn percentile(cells: Option<&[u64]>) -> f64 {
    cells.map_or(0.0, |cells| f64::from(f32::from_bits(pair(cells[1]).0)))
}

fn tokens(cells: &[u64]) -> f32 {
    f32::from_bits(pair(cells[1]).1)
}

/// Above which score a request is among the highest of twenty.
pub fn usual(endpoint: Option<&[u64]>, service: Option<&[u64]>) -> f64 {
    let own = f64::from(counts(endpoint).0);
    let both = own * percentile(endpoint) + SERVICE * percentile(service);
    let usual = both / (own + SERVICE);
    if counts(service).0 < FEW {
        usual.max(LEAST)
    } else {
        usual
    }
}

/// The probability of a score, given what is usual; `syntax` nats alone are enough at any time.
pub fn p_value(score: f64, syntax: f64, usual: f64, is_cold: bool) -> f64 {
    let above = if score <= usual {
        ANCHOR + (1.0 - ANCHOR) * (-score).exp()
    } else {
        ANCHOR * ((usual - score) / SLOPE).exp()
    };
    let above = if is_cold && above < COLD {
        COLD * (above / COLD).powf(0.1)
    } else {
        above
    };
    let by_syntax = 3.0 * (-syntax).exp();
    if score <= usual {
        above
    } else {
        above.min(by_syntax)
    }
}

/// Whether the service has not seen enough yet, or not of this version.
pub fn is_cold(service: Option<&[u64]>) -> bool {
    let since = service.map_or(0, |cells| pair(cells[VERSIONS_AT + 1]).0);
    counts(service).0 < WARM || since < WARM
}

/// What versions and teachers are told apart by; nothing but nobody looks like a place that is empty.
fn told_apart(id: u64) -> u16 {
    if id == 0 {
        0
    } else {
        ((id >> 16) as u16).max(1)
    }
}

/// Counts a request of a version, which is new or among the last ones.
pub fn version(cells: &mut [u64], version: u64) {
    let (since, hand) = pair(cells[VERSIONS_AT + 1]);
    let name = told_apart(version);
    let versions = &mut cells[VERSIONS_AT..=VERSIONS_AT];
    let known = version == 0 || (0..VERSIONS).any(|at| lane(versions, at) == name);
    let (since, hand) = if known {
        (since.saturating_add(1), hand)
    } else {
        set_lane(versions, hand as usize % VERSIONS, name);
        // The first version that is seen is none that was rolled out.
        (
            if hand == 0 { since + 1 } else { 0 },
            hand.wrapping_add(1).max(1),
        )
    };
    cells[VERSIONS_AT + 1] = cell(since, hand);
}

/// A request that is not odd earns its service part of a token.
pub fn earn(cells: &mut [u64]) {
    let (percentile, _) = pair(cells[1]);
    let tokens = (tokens(cells) + EARNED).min(PURSE);
    cells[1] = cell(percentile, tokens.to_bits());
}

/// A service begins with a full purse.
pub fn begin(cells: &mut [u64]) {
    cells[1] = cell(0, PURSE.to_bits());
}

/// Whether an odd request may teach: there is a token, which is spent, and its teacher was none of those who spent the last ones.
pub fn spend(cells: &mut [u64], teacher: u64) -> bool {
    let (percentile, _) = pair(cells[1]);
    let purse = tokens(cells);
    let name = told_apart(teacher);
    let list = &cells[TEACHERS_AT + 1..];
    let taught = teacher != 0 && (0..TEACHERS).any(|at| lane(list, at) == name);
    if purse < 1.0 || taught {
        return false;
    }
    cells[1] = cell(percentile, (purse - 1.0).to_bits());
    let hand = cells[TEACHERS_AT] as usize % TEACHERS;
    cells[TEACHERS_AT] = (hand as u64 + 1) % TEACHERS as u64;
    set_lane(&mut cells[TEACHERS_AT + 1..], hand, name);
    true
}

/// Learns a score; of odd ones an endpoint takes a hundredth.
pub fn teach(cells: &mut [u64], score: f64, odd: bool, all: bool) {
    let (n, odds) = pair(cells[0]);
    if odd && !all && f64::from(odds) >= 2.0 + 0.01 * f64::from(n) {
        return;
    }
    let n = n.saturating_add(1);
    cells[0] = cell(n, odds + u32::from(odd));
    let bin = ((score * FINE) as usize).min(BINS - 1);
    count_lane(&mut cells[BINS_AT..], bin);
    if lane(&cells[BINS_AT..], bin) == u16::MAX {
        halve(&mut cells[BINS_AT..VERSIONS_AT]);
    }
    if n < 64 || n.is_multiple_of(32) {
        let (_, purse) = pair(cells[1]);
        let percentile = anchored(&cells[BINS_AT..VERSIONS_AT]) as f32;
        cells[1] = cell(percentile.to_bits(), purse);
    }
}

/// The score that one in twenty is above.
fn anchored(bins: &[u64]) -> f64 {
    let count = |at: usize| f64::from(lane(bins, at));
    let need = ANCHOR * (0..BINS).map(count).sum::<f64>();
    let (mut above, mut at) = (0.0, BINS - 1);
    while at > 0 && above + count(at) < need {
        above += count(at);
        at -= 1;
    }
    let within = if count(at) > 0.0 {
        (need - above) / count(at)
    } else {
        0.0
    };
    (at as f64 + 1.0 - within.clamp(0.0, 1.0)) / FINE
}
