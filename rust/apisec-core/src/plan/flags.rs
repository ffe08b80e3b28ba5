//! Flagged entities: who was raised teaches no baseline, from the next tick on and for a day.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::error::Result;
use crate::snapshot::{Sink, Source};

const DAY: i64 = 86_400 * 1_000_000_000;
const MOST: usize = 65_536;

/// Who is flagged until when.
#[derive(Debug, Default)]
pub struct Flags {
    until: HashMap<u64, i64>,
    line: VecDeque<(u64, i64)>,
    raised: Vec<u64>,
    waiting: HashSet<u64>,
}

impl Flags {
    /// Notes an entity that was raised; it is flagged from the next tick.
    pub fn raise(&mut self, entity: u64) {
        if entity != 0 && self.waiting.insert(entity) {
            self.raised.push(entity);
        }
    }

    /// Whether an entity was flagged at a time.
    pub fn holds(&self, entity: u64, at: i64) -> bool {
        !self.until.is_empty() && self.until.get(&entity).is_some_and(|&until| at < until)
    }

    /// Flags for a day what was raised in the second that ended at `since`.
    pub fn take(&mut self, since: i64) {
        let until = since.saturating_add(DAY);
        for entity in self.raised.drain(..) {
            self.until.insert(entity, until);
            self.line.push_back((entity, until));
        }
        self.waiting.clear();
        self.trim(i64::MIN);
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
    }

    /// Takes up what was copied.
    ///
    /// # Errors
    /// It is no copy.
    pub fn load(&mut self, from: &mut Source<'_>) -> Result<()> {
        for _ in 0..from.count(16)? {
            let (entity, until) = (from.number()?, from.signed()?);
            self.until.insert(entity, until);
            self.line.push_back((entity, until));
        }
        for _ in 0..from.count(8)? {
            let entity = from.number()?;
            self.raise(entity);
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
