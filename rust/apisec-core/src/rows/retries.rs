//! The memory of request spans already observed, so that a retry is not counted twice and keeps its annotations.

use crate::codec::Annotation;
use crate::hash::IdMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// What was written on a span.
pub type Written = Arc<[(String, Annotation)]>;

/// How long a span is remembered.
const KEPT: i64 = 600_000_000_000;
/// Published cost of an entry, in bytes: index, queue and value.
const ENTRY: usize = 64;

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

#[derive(Debug)]
struct Entry {
    start: u64,
    seen: i64,
    written: Written,
}

/// Spans observed in the last 10 minutes, oldest out when the cap in bytes is reached.
#[derive(Debug)]
pub struct Retries {
    spans: IdMap<(u64, u64), Entry>,
    order: VecDeque<((u64, u64), i64)>,
    cap: usize,
    written: usize,
}

impl Retries {
    /// A memory of at most `cap` bytes.
    pub fn new(cap: usize) -> Self {
        Self {
            spans: IdMap::default(),
            order: VecDeque::new(),
            cap,
            written: 0,
        }
    }

    /// Bytes held, by the published cost.
    pub fn bytes(&self) -> usize {
        self.spans.len() * ENTRY + self.written
    }

    /// Looks the span up and remembers it; `ids` is a keyed hash of trace and span id and a second one.
    pub fn see(&mut self, ids: (u64, u64), start: u64, now: i64) -> Seen {
        self.forget(now);
        if let Some(entry) = self.spans.get(&ids) {
            return if entry.start == start {
                Seen::Repeat(entry.written.clone())
            } else {
                Seen::RepeatedId
            };
        }
        self.spans.insert(
            ids,
            Entry {
                start,
                seen: now,
                written: Arc::default(),
            },
        );
        self.order.push_back((ids, now));
        Seen::First
    }

    /// Remembers what was written on a span.
    pub fn write(&mut self, ids: (u64, u64), written: Written) {
        if let Some(entry) = self.spans.get_mut(&ids) {
            self.written += cost(&written);
            self.written -= cost(&entry.written);
            entry.written = written;
        }
    }

    /// Remembers nothing: what comes again is observed again.
    pub fn clear(&mut self) {
        *self = Self::new(self.cap);
    }

    fn forget(&mut self, now: i64) {
        while let Some((ids, seen)) = self.order.front().copied() {
            if seen + KEPT > now && self.bytes() < self.cap {
                return;
            }
            self.order.pop_front();
            if self.spans.get(&ids).is_some_and(|entry| entry.seen == seen)
                && let Some(entry) = self.spans.remove(&ids)
            {
                self.written -= cost(&entry.written);
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
        assert_eq!(retries.see((1, 2), 5, 0), Seen::First);
        let written: Written = Arc::from([("k".to_owned(), Annotation::Bool(true))]);
        retries.write((1, 2), written.clone());
        assert_eq!(retries.see((1, 2), 5, 1), Seen::Repeat(written));
        assert_eq!(retries.see((1, 2), 6, 1), Seen::RepeatedId);
        assert_eq!(retries.see((1, 2), 5, KEPT + 1), Seen::First);
    }

    #[test]
    fn what_was_cleared_is_seen_for_the_first_time() {
        let mut retries = Retries::new(1 << 20);
        assert_eq!(retries.see((1, 2), 5, 0), Seen::First);
        retries.clear();
        assert_eq!(retries.bytes(), 0);
        assert_eq!(retries.see((1, 2), 5, 0), Seen::First);
    }

    #[test]
    fn the_oldest_go_when_it_is_full() {
        let mut retries = Retries::new(10 * ENTRY);
        for i in 0..1000 {
            assert_eq!(retries.see((i, i), 0, 0), Seen::First);
            assert!(retries.bytes() <= 10 * ENTRY);
        }
        assert_eq!(retries.see((999, 999), 0, 0), Seen::Repeat(Arc::default()));
        assert_eq!(retries.see((1, 1), 0, 0), Seen::First);
    }
}
