//! Everything that learns when windows close: one contribution a teacher and window, answered from the tick after.

use super::{Kind, Settings, always, baseline, novelty, surprise};
use crate::table::Spill;

/// Cells of what waits for its window to close: number of the first row plus 1, the word taught, `by`, `taught_by`, and
/// one that pays for its place in the line.
pub const PENDING_CELLS: usize = 5;

/// A baseline answers only when it knows this many teachers.
pub const SUPPORT: usize = 20;

/// At this many contributions all counts are halved, so that the past fades.
pub const HALVED_AT: u64 = 16_384;

/// What a node asks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Question {
    /// The value that this share of what was taught does not exceed.
    Quantile(f64),
    /// The share of what was taught at or above the row's value.
    Tail,
    /// 1 for a value that was taught, else the chance of a new one.
    Novelty,
    /// What share of windows a condition holds in at least.
    Always,
    /// How unusual a value is after the one before, in bits.
    Surprise,
}

/// What is remembered to answer; several questions may share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Bins and the largest values.
    Histogram,
    /// Values and how often each was taught.
    Novelty,
    /// Windows in which a condition held, and in which not.
    Always,
    /// What follows a value, and how often.
    Successors,
}

/// One contribution.
#[derive(Clone, Copy, Debug)]
pub struct Lesson {
    /// Bits of a number, an id, or 1 for a condition that was broken.
    pub word: u64,
    /// Who teaches.
    pub teacher: u64,
    /// When the window ended, ns.
    pub time: i64,
}

impl Question {
    /// The question of an op; none when it is no baseline's.
    #[must_use]
    pub fn build(op: &str, settings: &Settings<'_>) -> Option<Result<Self, String>> {
        Some(match op {
            "quantile" => match settings.number("q", None) {
                Ok(q) if 0.0 < q && q < 1.0 => Ok(Self::Quantile(q)),
                _ => Err("setting `q` must be a number between 0 and 1".into()),
            },
            "tail" => Ok(Self::Tail),
            "novelty" => Ok(Self::Novelty),
            "always" => Ok(Self::Always),
            "surprise" => Ok(Self::Surprise),
            _ => return None,
        })
    }

    /// What answers it.
    #[must_use]
    pub fn state(self) -> State {
        match self {
            Self::Quantile(_) | Self::Tail => State::Histogram,
            Self::Novelty => State::Novelty,
            Self::Always => State::Always,
            Self::Surprise => State::Successors,
        }
    }

    /// Whether the answer depends on the row's own value.
    #[inline]
    #[must_use]
    pub fn needs_value(self) -> bool {
        matches!(self, Self::Tail | Self::Novelty | Self::Surprise)
    }

    /// The answer from cells that are supported.
    #[must_use]
    pub fn answer(self, cells: &[u64], spill: &Spill, word: u64) -> f64 {
        match self {
            Self::Quantile(q) => baseline::quantile(cells, spill, q),
            Self::Tail => baseline::tail(cells, spill, f64::from_bits(word)),
            Self::Novelty => novelty::answer(cells, spill, word),
            Self::Always => always::answer(cells),
            Self::Surprise => surprise::answer(cells, spill, word),
        }
    }
}

impl State {
    /// What a declaration calls the operand, and its kind.
    #[must_use]
    pub fn operand(self) -> (&'static str, Kind) {
        match self {
            Self::Histogram => ("value", Kind::Number),
            Self::Novelty | Self::Successors => ("value", Kind::Id),
            Self::Always => ("condition", Kind::Logic),
        }
    }

    /// Words in an entry; the first is a handle.
    #[must_use]
    pub fn cells(self) -> usize {
        match self {
            Self::Histogram => baseline::CELLS,
            Self::Novelty => novelty::CELLS,
            Self::Always => always::CELLS,
            Self::Successors => surprise::CELLS,
        }
    }

    /// Whether a word takes the place of an earlier one of the same teacher in the same window.
    #[inline]
    #[must_use]
    pub fn is_better(self, new: u64, old: u64, window: i64) -> bool {
        match self {
            Self::Histogram => f64::from_bits(new) > f64::from_bits(old),
            Self::Novelty | Self::Successors => {
                novelty::draw(new, window) < novelty::draw(old, window)
            }
            Self::Always => new > old,
        }
    }

    /// Whether enough teachers are known to judge.
    #[inline]
    #[must_use]
    pub fn is_supported(self, cells: &[u64], spill: &Spill) -> bool {
        match self {
            Self::Histogram => baseline::is_supported(cells, spill),
            Self::Novelty => novelty::is_supported(cells, spill),
            Self::Always => always::is_supported(cells, spill),
            Self::Successors => surprise::is_supported(cells, spill),
        }
    }

    /// Learns one contribution.
    pub fn learn(self, cells: &mut [u64], spill: &mut Spill, lesson: Lesson) {
        let Lesson {
            word,
            teacher,
            time,
        } = lesson;
        match self {
            Self::Histogram => baseline::learn(cells, spill, f64::from_bits(word), teacher, time),
            Self::Novelty => novelty::learn(cells, spill, word, teacher),
            Self::Always => always::learn(cells, spill, word, teacher),
            Self::Successors => surprise::learn(cells, spill, word, teacher, time),
        }
    }
}

/// Notes the teacher behind the first `before` words of a list, unless enough are known.
pub(super) fn know(handle: &mut u64, spill: &mut Spill, before: usize, teacher: u64) {
    let known = &spill.list(*handle)[before..];
    if known.len() < SUPPORT && !known.contains(&teacher) {
        spill.insert(handle, usize::MAX, &[teacher]);
    }
}
