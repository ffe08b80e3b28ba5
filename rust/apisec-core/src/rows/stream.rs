//! Row time and stream time (seconds since the epoch in nanoseconds, by the events, never by a clock).

/// How far behind what was received a row may be held, and how far ahead.
const BEHIND: i64 = 600_000_000_000;
const AHEAD: i64 = 5_000_000_000;
/// An end this far ahead of the stream moves it only when the next row agrees.
const LEAP: i64 = 86_400_000_000_000;

/// The running maximum of row times.
#[derive(Debug, Default, Clone, Copy)]
pub struct Stream {
    now: i64,
    leap: Option<i64>,
}

/// When a row counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Start of the span, held to [received - 10 min, received + 5 s].
    pub time: i64,
    /// Stream time as of this row: never less than that of the row before.
    pub stream: i64,
    /// Over 10 minutes behind: judged and printed, never learned from.
    pub late: bool,
}

impl Stream {
    /// Stream time now; 0 before the first row.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Places a row that starts at `start` and was received at `received`.
    pub fn place(&mut self, start: u64, received: i64) -> Placed {
        let start = i64::try_from(start).unwrap_or(i64::MAX);
        let time = start.clamp(
            received.saturating_sub(BEHIND),
            received.saturating_add(AHEAD),
        );
        let late = start < received.saturating_sub(BEHIND)
            || (self.now > 0 && time < self.now.saturating_sub(BEHIND));
        if !late {
            self.advance(time);
        }
        Placed {
            time,
            stream: self.now,
            late,
        }
    }

    fn advance(&mut self, time: i64) {
        let leaps = self.now > 0 && time > self.now.saturating_add(LEAP);
        let agreed = self
            .leap
            .is_some_and(|leap| time.abs_diff(leap) < LEAP.unsigned_abs());
        if leaps && !agreed {
            self.leap = Some(time);
            return;
        }
        self.leap = None;
        self.now = self.now.max(time);
    }

    /// Moves on without a row, when nothing arrives. A clock that leaps must agree with itself, as a row's must.
    pub fn idle(&mut self, until: i64) {
        self.advance(until);
    }

    /// Whether a row begins another recording: over 10 minutes behind. Of one that lasted longer than that, its end tells.
    pub fn is_behind(&self, start: u64, received: i64) -> bool {
        let start = i64::try_from(start).unwrap_or(i64::MAX);
        let lasted = start < received.saturating_sub(BEHIND);
        let time = if lasted { received } else { start };
        self.now > 0 && time < self.now.saturating_sub(BEHIND)
    }

    /// Stream time and the leap that waits for another row's consent.
    pub fn saved(&self) -> (i64, Option<i64>) {
        (self.now, self.leap)
    }

    /// Goes on from where another stream was.
    pub fn restore(&mut self, (now, leap): (i64, Option<i64>)) {
        *self = Self { now, leap };
    }

    /// Starts anew at the next row: a file that begins in the past of the one before.
    pub fn restart(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    const SECOND: i64 = 1_000_000_000;
    const DAY: i64 = 86_400 * SECOND;

    #[test]
    fn holds_wild_clocks_to_what_was_received() {
        let mut stream = Stream::default();
        let now = 1_000_000 * SECOND;
        assert_eq!(
            stream.place(0, now),
            Placed {
                time: now - 600 * SECOND,
                stream: 0,
                late: true
            }
        );
        assert_eq!(stream.place(u64::MAX, now).time, now + 5 * SECOND);
        assert!(!stream.place((now - 60 * SECOND) as u64, now).late);
        assert_eq!(stream.now(), now + 5 * SECOND);
    }

    #[test]
    fn time_passes_without_rows_and_never_back() {
        let mut stream = Stream::default();
        stream.place((10 * DAY) as u64, 10 * DAY);
        stream.idle(10 * DAY + 60 * SECOND);
        stream.idle(10 * DAY);
        assert_eq!(stream.now(), 10 * DAY + 60 * SECOND);
        stream.idle(30 * DAY);
        assert_eq!(stream.now(), 10 * DAY + 60 * SECOND);
        stream.idle(30 * DAY + SECOND);
        assert_eq!(stream.now(), 30 * DAY + SECOND);
    }

    #[test]
    fn a_row_tells_whether_a_recording_begins_in_the_past() {
        let mut stream = Stream::default();
        let hour = 3_600 * SECOND;
        assert!(!stream.is_behind(5, 5));
        stream.place((10 * DAY) as u64, 10 * DAY);
        let tells = |start: i64, end: i64| stream.is_behind(start as u64, end);
        assert!(tells(10 * DAY - hour, 10 * DAY - hour + SECOND));
        assert!(!tells(10 * DAY - 599 * SECOND, 10 * DAY));
        assert!(!tells(10 * DAY - hour, 10 * DAY));
        assert!(!tells(0, 10 * DAY));
        assert!(tells(9 * DAY, 10 * DAY - hour));
    }

    #[test]
    fn one_client_from_the_future_moves_nobody() {
        let mut stream = Stream::default();
        let at = |t: i64| (t as u64, t);
        let place = |s: &mut Stream, t: i64| s.place(at(t).0, at(t).1);
        place(&mut stream, 10 * DAY);
        place(&mut stream, 20 * DAY);
        assert_eq!(stream.now(), 10 * DAY);
        place(&mut stream, 10 * DAY + SECOND);
        assert_eq!(stream.now(), 10 * DAY + SECOND);
        place(&mut stream, 20 * DAY);
        place(&mut stream, 20 * DAY + SECOND);
        assert_eq!(stream.now(), 20 * DAY + SECOND);
    }
}
