//! Counts for self-telemetry, read as a list from Python.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// What is counted, of whom (receiver or exporter), over what, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Name of the counter.
    pub name: &'static str,
    /// Id of the receiver or exporter.
    pub owner: Arc<str>,
    /// Transport, or "".
    pub transport: &'static str,
    /// Signal, or "".
    pub signal: &'static str,
    /// Reason, or "".
    pub reason: &'static str,
}

/// All counters of one process.
#[derive(Debug, Default)]
pub struct Counters(Mutex<BTreeMap<Key, u64>>);

impl Counters {
    /// Adds to one counter.
    pub fn add(&self, key: Key, count: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(key).or_default() += count;
    }

    /// A copy of all counters.
    pub fn read(&self) -> Vec<(Key, u64)> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .iter()
            .map(|(key, count)| (key.clone(), *count))
            .collect()
    }

    /// Adds one event of a receiver that is no request (a connection closed, a handshake failed).
    pub fn event(&self, name: &'static str, owner: &Arc<str>, reason: &'static str) {
        self.add(
            Key {
                name,
                owner: owner.clone(),
                transport: "",
                signal: "",
                reason,
            },
            1,
        );
    }
}
