//! Where requests wait for the engine: it takes all that is there, in order, in one call.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{export::Exporter, request::Request};

#[derive(Debug)]
struct Waiting {
    since: Instant,
    request: Arc<Request>,
    fallback: Option<Exporter>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Waiting>,
    pullers: usize,
    closed: bool,
}

/// The queue between the I/O side and the engine.
#[derive(Debug, Default)]
pub struct Mailbox {
    inner: Mutex<Inner>,
    arrived: Condvar,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request, and the exporter that it leaves by when the engine stalls; the engine is woken after unlocking, else it wakes only to wait for the lock.
    pub fn put(&self, request: Arc<Request>, fallback: Option<Exporter>) {
        let wake = {
            let mut inner = self.lock();
            inner.waiting.push_back(Waiting {
                since: Instant::now(),
                request,
                fallback,
            });
            inner.pullers > 0
        };
        if wake {
            self.arrived.notify_one();
        }
    }

    /// All that waits, at most so many requests and spans (one request in any case); waits at most `wait` for the first.
    pub fn pull(&self, max_requests: usize, max_spans: usize, wait: Duration) -> Vec<Arc<Request>> {
        let until = Instant::now() + wait;
        let mut inner = self.lock();
        while inner.waiting.is_empty() && !inner.closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            inner.pullers += 1;
            inner = self
                .arrived
                .wait_timeout(inner, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            inner.pullers -= 1;
        }
        let (mut taken, mut spans) = (Vec::new(), 0usize);
        while let Some(next) = inner.waiting.front() {
            spans = spans.saturating_add(next.request.spans as usize);
            if !taken.is_empty() && (taken.len() >= max_requests || spans > max_spans) {
                break;
            }
            taken.extend(inner.waiting.pop_front().map(|next| next.request));
        }
        taken
    }

    /// Takes the requests that have waited longer than `patience`.
    pub fn overdue(&self, patience: Duration) -> Vec<(Arc<Request>, Option<Exporter>)> {
        let now = Instant::now();
        let mut inner = self.lock();
        let count = inner
            .waiting
            .iter()
            .take_while(|next| now.saturating_duration_since(next.since) > patience)
            .count();
        inner
            .waiting
            .drain(..count)
            .map(|next| (next.request, next.fallback))
            .collect()
    }

    /// Requests that wait.
    pub fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Wakes pullers for good: from now on `pull` does not wait.
    pub fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }
}
