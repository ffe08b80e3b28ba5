//! Limits on what a sender can multiply; each is a guard that gives back when dropped.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
};
use std::time::Instant;

/// A counted resource with a cap: bytes in flight, or connections.
#[derive(Debug)]
pub struct Gauge {
    used: AtomicUsize,
    cap: usize,
}

impl Gauge {
    /// An empty gauge.
    pub fn new(cap: usize) -> Arc<Gauge> {
        Arc::new(Gauge {
            used: AtomicUsize::new(0),
            cap,
        })
    }

    /// What is held now.
    pub fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    fn take(&self, count: usize) -> bool {
        let before = self.used.fetch_add(count, Relaxed);
        let fits = before.checked_add(count).is_some_and(|sum| sum <= self.cap);
        if !fits {
            self.used.fetch_sub(count, Relaxed);
        }
        fits
    }

    /// Takes `count`, or None at the cap.
    pub fn hold(self: &Arc<Self>, count: usize) -> Option<Held> {
        self.take(count).then(|| Held {
            gauge: self.clone(),
            count,
        })
    }
}

/// A share of a gauge.
#[derive(Debug)]
pub struct Held {
    gauge: Arc<Gauge>,
    count: usize,
}

impl Held {
    /// Takes more; false at the cap.
    #[must_use]
    pub fn grow(&mut self, count: usize) -> bool {
        let fits = self.gauge.take(count);
        if fits {
            self.count += count;
        }
        fits
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gauge.used.fetch_sub(self.count, Relaxed);
    }
}

/// Bytes that a connection may send beside bodies: at start (more than its flow-control window,
/// which may be full before a handler has seen a byte), for each request, a second.
const START: u64 = 8 << 20;
const PER_REQUEST: u64 = 32 << 10;
const PER_SECOND: u64 = 2 << 10;

/// Weighs what a connection reads against what its requests explain, so that floods of
/// PING, SETTINGS and other frames without a request end the connection.
#[derive(Debug)]
pub struct Meter {
    opened: Instant,
    read: AtomicU64,
    explained: AtomicU64,
    asked: AtomicBool,
}

impl Default for Meter {
    fn default() -> Self {
        Meter {
            opened: Instant::now(),
            read: AtomicU64::new(0),
            explained: AtomicU64::new(START),
            asked: AtomicBool::new(false),
        }
    }
}

impl Meter {
    /// Counts bytes read; false when they are too many for what was asked.
    #[must_use]
    pub fn read(&self, count: usize) -> bool {
        let read = self.read.fetch_add(count as u64, Relaxed) + count as u64;
        let explained = self.explained.load(Relaxed);
        read <= explained || read <= explained + PER_SECOND * self.opened.elapsed().as_secs()
    }

    /// A request began.
    pub fn request(&self) {
        self.asked.store(true, Relaxed);
        self.explained.fetch_add(PER_REQUEST, Relaxed);
    }

    /// A body's bytes were taken, or will be thrown away.
    pub fn body(&self, count: usize) {
        self.explained
            .fetch_add(count as u64 + count as u64 / 8, Relaxed);
    }

    /// Whether any request began.
    pub fn asked(&self) -> bool {
        self.asked.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_gives_back() {
        let gauge = Gauge::new(10);
        let mut held = gauge.hold(6);
        assert!(held.as_mut().is_some_and(|held| held.grow(4)));
        assert!(gauge.hold(1).is_none());
        drop(held);
        assert_eq!(gauge.used(), 0);
    }

    #[test]
    fn frames_without_requests_are_a_flood() {
        let meter = Meter::default();
        assert!(meter.read(START as usize));
        assert!(!meter.read(17));
        meter.request();
        assert!(meter.read(17));
        assert!(meter.asked());
    }
}
