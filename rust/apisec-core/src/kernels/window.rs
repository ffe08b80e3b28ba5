//! Sliding windows in eighths: a window is the current part and the seven before it.

/// Parts of a window.
pub const PARTS: u64 = 8;

/// Thirty days, in ns: no window is longer.
pub const LONGEST: i64 = 30 * 86_400 * 1_000_000_000;

/// A row's time (ns) and the part it falls in, counted from 1 so that a zero cell means never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Stream time of the row, ns.
    pub time: i64,
    /// `time / part + 1`.
    pub part: u64,
    until: i64,
}

impl Moment {
    /// A moment for a kernel that has no window.
    #[inline]
    #[must_use]
    pub fn at(time: i64) -> Self {
        Self {
            time,
            ..Self::default()
        }
    }
}

/// The length of one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    part: i64,
}

impl Window {
    /// A window of `within` ns.
    #[must_use]
    pub fn new(within: i64) -> Self {
        Self {
            part: (within / PARTS as i64).max(1),
        }
    }

    /// The moment of a time not before `before`: rows come in order, so the division is seldom needed.
    #[inline]
    #[must_use]
    pub fn moment(&self, time: i64, before: Moment) -> Moment {
        if time < before.until {
            return Moment { time, ..before };
        }
        let part = time / self.part;
        Moment {
            time,
            part: part as u64 + 1,
            until: (part + 1).saturating_mul(self.part),
        }
    }
}

/// Whether a cell that holds a time plus 1 holds one, of at most `within` ns ago.
#[inline]
#[must_use]
pub fn is_recent(cell: u64, now: Moment, within: i64) -> bool {
    cell != 0 && now.time.wrapping_sub((cell - 1) as i64) <= within
}

/// Parts between the newest part kept and now that have passed without a row: at most all of them.
#[inline]
#[must_use]
pub fn passed(newest: u64, now: u64) -> u64 {
    now.saturating_sub(newest).min(PARTS)
}
