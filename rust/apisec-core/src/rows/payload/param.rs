//! What is usual of the values of one parameter, and how unusual a value is (payload model, 2.3 and 2.4).

use super::lanes::{
    self, MANY, Outcomes, cell, count_lane, halve, halve_set, lane, observe, pair, set_cells,
};
use super::score::nats;
use crate::text::Features;
use crate::text::classes::{FIRST_MARK, MARKS};

const LENGTHS: usize = 32;
const CLASSES: usize = 56;
const SYNTAX: usize = 17;
const SHAPES: usize = 16;

const LENGTH_AT: usize = 1;
const CLASS_AT: usize = LENGTH_AT + LENGTHS / 4;
const SYNTAX_AT: usize = CLASS_AT + CLASSES / 4;
/// Where shapes begin: counters are before.
pub const SHAPE_AT: usize = SYNTAX_AT + SYNTAX.div_ceil(4);
/// Cells of a parameter: observations and odd lessons, lengths, classes, syntax, shapes.
pub const CELLS: usize = SHAPE_AT + set_cells(SHAPES);

/// What stands behind is worth so many observations, and for syntax so many.
pub const PRIOR: f64 = 2.0;
const SYNTAX_PRIOR: f64 = 20.0;
/// How common a new shape is where nothing is known.
const NEW_SHAPE: f64 = 0.3;
/// Learning forgives syntax so many nats and sharpens it by so many.
const FORGIVEN: f64 = 5.0;
const SHARPENED: f64 = 4.6;
/// What is new about a header says so many nats at most.
const HEADER: f64 = 5.0;
/// Shares of known values that make a class one which is always there, and from how many values on.
const ALWAYS: f64 = 0.9;
const LEAST: u32 = 20;

/// What a term is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Feature {
    #[default]
    Shape,
    Chars,
    Length,
    Syntax,
}

/// The features, in the order of the terms.
pub const FEATURES: [Feature; 4] = [
    Feature::Shape,
    Feature::Chars,
    Feature::Length,
    Feature::Syntax,
];

/// How unusual a value is, by feature, in nats; and the class that is the least usual.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    pub nats: [f64; 4],
    pub class: u8,
    /// The class is missing, not there.
    pub lacks: bool,
}

impl Terms {
    /// The largest and half of what the others have over a nat.
    pub fn total(&self) -> f64 {
        super::score::together(&self.nats)
    }

    /// As `total`, of a header: whoever links to a page or writes an agent chooses it, so that it is new says little.
    pub fn of_header(&self) -> f64 {
        let [shape, chars, length, syntax] = self.nats;
        let new = super::score::together(&[shape, chars, length]).min(HEADER);
        super::score::together(&[new, syntax])
    }

    /// Which feature says most.
    pub fn feature(&self) -> Feature {
        let best = |best: usize, at: usize| {
            if self.nats[at] > self.nats[best] {
                at
            } else {
                best
            }
        };
        FEATURES[(1..4).fold(0, best)]
    }
}

/// What is known of a parameter at its endpoint, in its service, and of any in the service.
pub type Levels<'a> = [Option<&'a [u64]>; 3];

/// Values observed, and those of them that were odd.
pub fn counts(cells: &[u64]) -> (u32, u32) {
    pair(cells.first().copied().unwrap_or_default())
}

fn backed(levels: &Levels<'_>, prior: f64, weight: f64, share: impl Fn(&[u64]) -> f64) -> f64 {
    let known = levels.iter().rev().flatten();
    known.fold(prior, |behind, cells| {
        (share(cells) + weight * behind) / (f64::from(counts(cells).0) + weight)
    })
}

fn sum(cells: &[u64], from: usize, lanes: std::ops::RangeInclusive<usize>) -> f64 {
    f64::from(lanes::sum(&cells[from..], lanes))
}

/// How unusual a value is.
pub fn terms(levels: &Levels<'_>, value: &Features) -> Terms {
    let own = levels[0].map_or(0, |cells| counts(cells).0);
    // Nobody may claim more than he can have seen.
    let floor = 0.2 / (f64::from(own) + 20.0);
    let shape = backed(levels, NEW_SHAPE, PRIOR, |cells| {
        Outcomes::new(&cells[SHAPE_AT..], SHAPES)
            .rarer(value.shape)
            .0
    });
    let (chars, class, lacks) = chars(levels, value, own, floor);
    Terms {
        nats: [
            nats(shape.min(1.0).max(floor)),
            nats(2.0 * chars),
            nats(length(levels, value.length).max(floor)),
            syntax(levels, value.syntax),
        ],
        class,
        lacks,
    }
}

/// The smallest share of a class that is there, or of lacking one that nearly always is.
fn chars(levels: &Levels<'_>, value: &Features, own: u32, floor: f64) -> (f64, u8, bool) {
    let known = levels[0].filter(|_| own >= LEAST && value.length > 0);
    let always = ALWAYS * f64::from(own);
    let mut best = (1.0, 0, false);
    for word in 0..CLASSES / 4 {
        let seen = known.map_or(0, |cells| cells[CLASS_AT + word]);
        let there = value.classes >> (4 * word) & 0b1111;
        if there == 0 && seen == 0 {
            continue;
        }
        for of_four in 0..4 {
            let (class, there) = (4 * word + of_four, there >> of_four & 1 == 1);
            let usual = f64::from((seen >> (16 * of_four)) as u16) >= always;
            if !there && (known.is_none() || !usual) {
                continue;
            }
            let share = backed(levels, PRIORS[class], PRIOR, |cells| {
                f64::from(lane(&cells[CLASS_AT..], class))
            });
            let p = if there { share } else { 1.0 - share }.max(floor);
            if p < best.0 {
                best = (p, class as u8, !there);
            }
        }
    }
    best
}

/// Twice the smaller of the two tails.
fn length(levels: &Levels<'_>, bucket: u8) -> f64 {
    let at = usize::from(bucket);
    let longer = match bucket {
        0..=16 => 1.0,
        17..=20 => 0.3,
        more => 0.3 * 0.5_f64.powf(f64::from(more - 20) * 0.7),
    };
    let shorter = if bucket == 0 { 0.1 } else { 1.0 };
    let known = levels.iter().rev().flatten();
    let (longer, shorter) = known.fold((longer, shorter), |(longer, shorter), cells| {
        let (down, up) = lanes::sums(&cells[LENGTH_AT..CLASS_AT], at);
        let n = f64::from(counts(cells).0) + PRIOR;
        let share = |so: u32, behind: f64| (f64::from(so) + PRIOR * behind) / n;
        (share(up, longer), share(down, shorter))
    });
    2.0 * longer.min(shorter)
}

fn syntax(levels: &Levels<'_>, score: u8) -> f64 {
    if score == 0 {
        return 0.0;
    }
    let prior = f64::from(score) / 2.0 * std::f64::consts::LN_10;
    let tail = backed(levels, (-prior).exp(), SYNTAX_PRIOR, |cells| {
        sum(cells, SYNTAX_AT, usize::from(score)..=SYNTAX - 1)
    });
    (-tail.max(1e-12).ln()).clamp(prior - FORGIVEN, prior + SHARPENED)
}

/// How common each class of characters is in values that nobody tampered with.
const PRIORS: [f64; CLASSES] = {
    let (mut priors, mut class) = ([0.0; CLASSES], 0);
    while class < CLASSES {
        priors[class] = class_prior(class);
        class += 1;
    }
    priors
};

const fn class_prior(class: usize) -> f64 {
    match class {
        0 | 2 => 0.5,
        1 | 3 => 0.3,
        40 | 42 => 0.1,
        41 => 0.01,
        37 | 38 | 43 => 0.005,
        FIRST_MARK..=35 => mark_prior(MARKS[class - FIRST_MARK]),
        _ => 0.001,
    }
}

const fn mark_prior(mark: u8) -> f64 {
    match mark {
        b'-' | b'_' | b'.' => 0.15,
        b',' | b':' | b'/' | b'@' => 0.08,
        b'=' | b'&' | b'+' | b'?' | b'%' | b'|' => 0.04,
        b'(' | b')' | b'!' | b'#' | b'*' | b'~' | b'[' | b']' => 0.02,
        b'"' | b'{' | b'}' | b'\'' | b';' | b'$' => 0.01,
        _ => 0.005,
    }
}

/// Learns a value.
pub fn teach(cells: &mut [u64], value: &Features) {
    let (n, odd) = counts(cells);
    let n = n + 1;
    cells[0] = cell(n, odd);
    count_lane(&mut cells[LENGTH_AT..], usize::from(value.length));
    count_lane(&mut cells[SYNTAX_AT..], usize::from(value.syntax));
    let mut classes = value.classes & ((1 << CLASSES) - 1);
    while classes != 0 {
        count_lane(&mut cells[CLASS_AT..], classes.trailing_zeros() as usize);
        classes &= classes - 1;
    }
    observe(&mut cells[SHAPE_AT..CELLS], SHAPES, value.shape, n);
    if n >= MANY {
        cells[0] = cell(n / 2, odd / 2);
        halve(&mut cells[LENGTH_AT..SHAPE_AT]);
        halve_set(&mut cells[SHAPE_AT..CELLS], SHAPES);
    }
}

/// What is told of the strongest term: how often it was so, and of how many values.
pub fn seen(cells: Option<&[u64]>, value: &Features, terms: &Terms) -> (f64, f64) {
    let Some(cells) = cells else {
        return (0.0, 0.0);
    };
    let n = f64::from(counts(cells).0);
    let so = match terms.feature() {
        Feature::Shape => f64::from(Outcomes::new(&cells[SHAPE_AT..], SHAPES).singles()),
        Feature::Chars => {
            let with = f64::from(lane(&cells[CLASS_AT..], usize::from(terms.class)));
            if terms.lacks { n - with } else { with }
        }
        Feature::Length => {
            let longer = sum(cells, LENGTH_AT, usize::from(value.length)..=LENGTHS - 1);
            longer.min(sum(cells, LENGTH_AT, 0..=usize::from(value.length)))
        }
        Feature::Syntax => sum(cells, SYNTAX_AT, usize::from(value.syntax)..=SYNTAX - 1),
    };
    (so, n)
}
