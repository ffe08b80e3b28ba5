//! Flagged entities: who was raised teaches no baseline, from the next tick on and for a day.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::error::Result;
use crate::snapshot::{Sink, Source};

const DAY: i64 = 86_400 * 1_000_000_000;
const SECOND: i64 = 1_000_000_000;
const MOST: usize = 65_536;

/// Who is flagged until when.
#[derive(Debug, Default)]
pub struct Flags {
    until: HashMap<u64, i64>,
    line: VecDeque<(u64, i64)>,
    raised: Vec<u64>,
    waiting: HashSet<u64>,
    /// Raised on rows that another plan judges, ahead of these: from when on each is flagged.
    ahead: VecDeque<(u64, i64)>,
}

impl Flags {
    /// Notes an entity that was raised; it is flagged from the next tick.
    pub fn raise(&mut self, entity: u64) {
        if entity != 0 && self.waiting.insert(entity) {
            self.raised.push(entity);
        }
    }

    /// Notes an entity that was raised at a time which these rows have yet to come to; it is flagged from the next second on.
    pub fn raise_ahead(&mut self, entity: u64, time: i64) {
        let from = (time.div_euclid(SECOND) + 1).saturating_mul(SECOND);
        if entity != 0 && self.ahead.len() < MOST && self.ahead.back() != Some(&(entity, from)) {
            self.ahead.push_back((entity, from));
        }
    }

    /// Whether an entity was flagged at a time.
    pub fn holds(&self, entity: u64, at: i64) -> bool {
        !self.until.is_empty() && self.until.get(&entity).is_some_and(|&until| at < until)
    }

    /// Flags for a day what was raised in the second that ended at `since`, and what is due by `now`.
    pub fn take(&mut self, since: i64, now: i64) {
        while let Some(&(entity, from)) = self.ahead.front().filter(|&&(_, from)| from <= now) {
            self.ahead.pop_front();
            self.flag(entity, from.saturating_add(DAY));
        }
        let until = since.saturating_add(DAY);
        for entity in std::mem::take(&mut self.raised) {
            self.flag(entity, until);
        }
        self.waiting.clear();
        self.trim(i64::MIN);
    }

    fn flag(&mut self, entity: u64, until: i64) {
        self.until.insert(entity, until);
        self.line.push_back((entity, until));
    }

    /// Forgets what is over.
    pub fn forget(&mut self, now: i64) {
        self.trim(now);
    }

    /// Copies who is flagged, and who was raised in this second.
    pub fn copy(&self, to: &mut Sink) {
        to.number(self.line.len() as u64);
        for &(entity, until) in &self.line {
            to.number(entity);
            to.signed(until);
        }
        to.number(self.raised.len() as u64);
        to.words(&self.raised);
        to.number(self.ahead.len() as u64);
        for &(entity, from) in &self.ahead {
            to.number(entity);
            to.signed(from);
        }
    }

    /// Takes up what was copied.
    ///
    /// # Errors
    /// It is no copy.
    pub fn load(&mut self, from: &mut Source<'_>) -> Result<()> {
        for _ in 0..from.count(16)? {
            let (entity, until) = (from.number()?, from.signed()?);
            self.flag(entity, until);
        }
        for _ in 0..from.count(8)? {
            let entity = from.number()?;
            self.raise(entity);
        }
        for _ in 0..from.count(16)? {
            let entity = from.number()?;
            self.ahead.push_back((entity, from.signed()?));
        }
        Ok(())
    }

    fn trim(&mut self, now: i64) {
        while let Some(&(entity, until)) = self.line.front() {
            let over = until <= now || self.until.len() > MOST;
            let extended = self.until.get(&entity) != Some(&until);
            if !over && !extended {
                break;
            }
            if !extended {
                self.until.remove(&entity);
            }
            self.line.pop_front();
        }
        if self.line.len() > 2 * self.until.len() + 64 {
            let kept = &self.until;
            self.line
                .retain(|(entity, until)| kept.get(entity) == Some(until));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_raised_ahead_is_flagged_when_these_rows_come_there() {
        let mut flags = Flags::default();
        flags.raise_ahead(7, 10 * SECOND + 5);
        flags.take(10 * SECOND, 10 * SECOND);
        assert!(!flags.holds(7, 10 * SECOND));
        let mut to = Sink::default();
        flags.copy(&mut to);
        let (bytes, mut kept) = (to.into_bytes(), Flags::default());
        assert!(kept.load(&mut Source::of(&bytes)).is_ok());
        for mut flags in [flags, kept] {
            flags.take(11 * SECOND, 11 * SECOND);
            assert!(flags.holds(7, 11 * SECOND));
            assert!(!flags.holds(7, 12 * SECOND + DAY));
        }
    }
}
