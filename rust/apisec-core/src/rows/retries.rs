//! The memory of request spans already observed, so that a retry is not counted twice and keeps its annotations.

mod keep;

use crate::codec::Annotation;
use crate::hash::IdMap;
use hashbrown::hash_map::Entry;
use std::collections::VecDeque;
use std::sync::Arc;

/// What was written on a span.
pub type Written = Arc<[(String, Annotation)]>;

/// How long a span is remembered.
const KEPT: i64 = 600_000_000_000;
/// Published cost of a span, in bytes: its places in index and queue.
const ENTRY: usize = 48;

/// What is known of a span's ids.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// Never seen, or forgotten.
    First,
    /// The same span again, with what was written on it.
    Repeat(Written),
    /// The same ids on another span.
    RepeatedId,
}

/// Spans observed in the last 10 minutes, oldest out when the cap in bytes is reached.
///
/// Most spans are written nothing on: what is known of them is an id and a start.
#[derive(Debug)]
pub struct Retries {
    starts: IdMap<u64, u64>,
    order: VecDeque<(u64, i64)>,
    /// Spans forgotten since the start: the number of the first in `order`.
    forgotten: u64,
    notes: IdMap<u64, Written>,
    written: usize,
    cap: usize,
}

impl Retries {
    /// A memory of at most `cap` bytes.
    pub fn new(cap: usize) -> Self {
        Self {
            starts: IdMap::default(),
            order: VecDeque::new(),
            forgotten: 0,
            notes: IdMap::default(),
            written: 0,
            cap,
        }
    }

    /// Bytes held, by the published cost.
    pub fn bytes(&self) -> usize {
        self.starts.len() * ENTRY + self.written
    }

    /// Looks the span up and remembers it; `id` is a keyed hash of trace and span id.
    pub fn see(&mut self, id: u64, start: u64, now: i64) -> Seen {
        self.forget(now);
        match self.starts.entry(id) {
            Entry::Vacant(vacant) => {
                vacant.insert(start);
                self.order.push_back((id, now));
                Seen::First
            }
            Entry::Occupied(known) if *known.get() == start => {
                Seen::Repeat(self.notes.get(&id).cloned().unwrap_or_default())
            }
            Entry::Occupied(_) => Seen::RepeatedId,
        }
    }

    /// Remembers what was written on a span.
    pub fn write(&mut self, id: u64, written: Written) {
        if self.starts.contains_key(&id) {
            self.written += cost(&written);
            if let Some(before) = self.notes.insert(id, written) {
                self.written -= cost(&before);
            }
        }
    }

    /// Remembers nothing: what comes again is observed again.
    pub fn clear(&mut self) {
        let forgotten = self.forgotten + self.order.len() as u64;
        *self = Self::new(self.cap);
        self.forgotten = forgotten;
    }

    fn forget(&mut self, now: i64) {
        while let Some((id, seen)) = self.order.front().copied() {
            if seen + KEPT > now && self.bytes() < self.cap {
                return;
            }
            self.order.pop_front();
            self.forgotten += 1;
            self.starts.remove(&id);
            if let Some(written) = self.notes.remove(&id) {
                self.written -= cost(&written);
            }
        }
    }
}

/// Published cost of what was written, in bytes.
fn cost(written: &Written) -> usize {
    written
        .iter()
        .map(|(key, value)| 64 + key.len() + text_len(value))
        .sum()
}

fn text_len(value: &Annotation) -> usize {
    match value {
        Annotation::Text(text) => text.len(),
        Annotation::List(texts) => texts.iter().map(|text| 24 + text.len()).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_comes_back_with_what_was_written() {
        let mut retries = Retries::new(1 << 20);
        assert_eq!(retries.see(12, 5, 0), Seen::First);
        let written: Written = Arc::from([("k".to_owned(), Annotation::Bool(true))]);
        retries.write(12, written.clone());
        assert_eq!(retries.see(12, 5, 1), Seen::Repeat(written));
        assert_eq!(retries.see(12, 6, 1), Seen::RepeatedId);
        assert_eq!(retries.see(12, 5, KEPT + 1), Seen::First);
    }

    #[test]
    fn what_was_cleared_is_seen_for_the_first_time() {
        let mut retries = Retries::new(1 << 20);
        assert_eq!(retries.see(12, 5, 0), Seen::First);
        retries.clear();
        assert_eq!(retries.bytes(), 0);
        assert_eq!(retries.see(12, 5, 0), Seen::First);
    }

    #[test]
    fn the_oldest_go_when_it_is_full() {
        let mut retries = Retries::new(10 * ENTRY);
        for i in 0..1000 {
            assert_eq!(retries.see(i, 0, 0), Seen::First);
            assert!(retries.bytes() <= 10 * ENTRY);
        }
        assert_eq!(retries.see(999, 0, 0), Seen::Repeat(Arc::default()));
        assert_eq!(retries.see(1, 0, 0), Seen::First);
    }
}
