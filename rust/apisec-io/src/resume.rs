//! Requests that were accepted in part before a retryable refusal: a retry goes on behind that part.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A retry is known for this long.
const MEMORY: Duration = Duration::from_secs(600);
const ENTRIES: usize = 4096;

/// How far a request came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Spans of the leading parts that are done with, taken or refused for good.
    pub spans: u32,
    /// Spans of them that were refused for good.
    pub rejected: i64,
    /// Why.
    pub message: String,
}

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<u64, (Instant, Progress)>,
    order: VecDeque<(Instant, u64)>,
}

/// Progress by a keyed hash of a request's original bytes; bounded, the oldest goes first.
#[derive(Debug, Default)]
pub struct Resume {
    key: RandomState,
    table: Mutex<Table>,
}

impl Resume {
    /// The key of a request.
    pub fn key(&self, original: &[u8]) -> u64 {
        self.key.hash_one(original)
    }

    /// Takes out what is known of a request.
    pub fn take(&self, key: u64) -> Progress {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let found = table
            .entries
            .remove(&key)
            .filter(|(since, _)| since.elapsed() < MEMORY);
        found.map(|(_, progress)| progress).unwrap_or_default()
    }

    /// Remembers how far a request came.
    pub fn put(&self, key: u64, progress: Progress) {
        let now = Instant::now();
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.entries.insert(key, (now, progress));
        table.order.push_back((now, key));
        while let Some(&(since, key)) = table.order.front() {
            if table.order.len() <= ENTRIES && since.elapsed() < MEMORY {
                break;
            }
            table.order.pop_front();
            if table
                .entries
                .get(&key)
                .is_some_and(|(latest, _)| *latest == since)
            {
                table.entries.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_taken_once_and_the_oldest_goes() {
        let resume = Resume::default();
        let progress = Progress {
            spans: 7,
            rejected: 1,
            message: "no".into(),
        };
        for key in 0..=ENTRIES as u64 {
            resume.put(key, progress.clone());
        }
        assert_eq!(resume.take(0), Progress::default());
        assert_eq!(resume.take(1), progress);
        assert_eq!(resume.take(1), Progress::default());
    }
}
