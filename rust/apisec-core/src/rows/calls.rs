//! Calls that two services tell of: a gateway's span and that of the application behind it are one request.
//!
//! Two request spans are halves of one call when the first is the direct parent of the second, of another service, with the
//! same method, and the second lies inside its time. A service most of whose spans are such fronts is a gateway. What it
//! says of a call waits for the application's half, whose path it need not share; of a service that is none the path must
//! be the same. Exporters flush every five seconds, so either half may come first.

pub(in crate::rows) mod keep;
mod share;

use std::collections::VecDeque;

use crate::codec::{MERGED, Pair, Record, WAITS};
use crate::hash::IdMap;
use share::Shares;

/// A half waits this long for the other (ns of stream time): as long as requests wait to be judged in order.
const WAIT: i64 = 6_000_000_000;
/// How far the clocks of two hosts may differ (ns).
const SKEW: u64 = 1_000_000_000;
/// Published cost of a half that waits, in bytes: its places in index and queue.
const ENTRY: usize = 128;

/// What a half says of its call.
#[derive(Debug, Clone, Copy)]
struct Half {
    service: u64,
    method: u64,
    path: u64,
    start: u64,
    end: u64,
    /// Time by which the ordering finds the row.
    place: i64,
    span: [u8; 8],
    /// Its other half has come.
    met: bool,
}

/// What a row is looked up by.
#[derive(Debug, Clone, Copy)]
pub struct Ids {
    /// Of trace and span.
    pub own: u64,
    /// Of trace and parent; 0 without one.
    pub parent: u64,
    /// Of the decoded path.
    pub path: u64,
}

/// Halves by an id, until they have waited long enough.
#[derive(Debug, Default)]
struct Waiting {
    halves: IdMap<u64, Half>,
    order: VecDeque<(i64, u64)>,
    /// Halves that are gone: the number of the first in `order`.
    gone: u64,
}

impl Waiting {
    fn add(&mut self, id: u64, half: Half, now: i64) {
        if self.halves.insert(id, half).is_none() {
            self.order.push_back((now.saturating_add(WAIT), id));
        }
    }

    /// Takes out what has waited long enough, or stands over the cap.
    fn over(&mut self, now: i64, most: usize) -> Option<Half> {
        let &(until, id) = self.order.front()?;
        if until > now && self.order.len() <= most {
            return None;
        }
        self.order.pop_front();
        self.gone += 1;
        self.halves.remove(&id)
    }
}

/// The halves of calls that wait for the other one, and which services are gateways.
#[derive(Debug)]
pub struct Calls {
    fronts: Waiting,
    behind: Waiting,
    shares: Shares,
    /// Most halves that wait in each list.
    most: usize,
    /// Calls of which both halves were met.
    pub merged: u64,
}

impl Calls {
    /// Nothing met yet. `named` are services that are gateways in any case, `bytes` the cap of what waits.
    #[must_use]
    pub fn new(named: &[String], bytes: usize) -> Self {
        Self {
            fronts: Waiting::default(),
            behind: Waiting::default(),
            shares: Shares::new(named),
            most: bytes / ENTRY / 2,
            merged: 0,
        }
    }

    /// Bytes held, by the published cost.
    #[must_use]
    pub fn bytes(&self) -> usize {
        (self.fronts.order.len() + self.behind.order.len()) * ENTRY
    }

    /// Whether the halves of a service's calls are worth remembering: of one that never shares a call, few are.
    pub fn watches(&mut self, r: &Record, name: &[u8]) -> bool {
        let may_share = self.shares.of(r.service, name).may_share();
        may_share || r.trace_id[15] & 15 == 0
    }

    /// Takes a new request in, marks a gateway's, and says which other halves it meets.
    pub fn arrive(&mut self, r: &mut Record, ids: Ids, number: u32, pairs: &mut Vec<Pair>) {
        self.forget(r.stream);
        let half = half(r, ids.path);
        if self.shares.is_gateway(r.service) {
            r.marks |= WAITS;
        }
        if let Some(pair) = self.met_behind(half, ids.own, number) {
            r.marks |= MERGED;
            pairs.push(pair);
        }
        if ids.parent != 0
            && let Some(pair) = self.met_front(half, ids.parent, number)
        {
            pairs.push(pair);
        }
        self.remember(half, ids, r.stream);
    }

    /// The application's half that came before this one.
    fn met_behind(&mut self, front: Half, own: u64, number: u32) -> Option<Pair> {
        let behind = self.behind.halves.get_mut(&own)?;
        if behind.met || !is_one_call(&front, behind) {
            return None;
        }
        behind.met = true;
        let (path, pair) = (behind.path, pair(behind, number, true));
        self.joins(&front, path).then(|| self.count(pair))
    }

    /// The gateway's half that came before this one.
    fn met_front(&mut self, behind: Half, parent: u64, number: u32) -> Option<Pair> {
        let front = self.fronts.halves.get_mut(&parent)?;
        if front.met || !is_one_call(front, &behind) {
            return None;
        }
        front.met = true;
        let (front, pair) = (*front, pair(front, number, false));
        self.joins(&front, behind.path).then(|| self.count(pair))
    }

    fn count(&mut self, pair: Pair) -> Pair {
        self.merged += 1;
        pair
    }

    fn joins(&self, front: &Half, path: u64) -> bool {
        front.path == path || self.shares.is_gateway(front.service)
    }

    fn remember(&mut self, half: Half, ids: Ids, now: i64) {
        let met = |waiting: &Waiting, id| waiting.halves.get(&id).is_some_and(|other| other.met);
        let front = Half {
            met: met(&self.behind, ids.own),
            ..half
        };
        self.fronts.add(ids.own, front, now);
        if ids.parent != 0 {
            let behind = Half {
                met: met(&self.fronts, ids.parent),
                ..half
            };
            self.behind.add(ids.parent, behind, now);
        }
    }

    /// Counts the halves that have waited long enough: what their service's calls are like.
    fn forget(&mut self, now: i64) {
        while let Some(front) = self.fronts.over(now, self.most) {
            self.shares.count_front(front.service, front.met);
        }
        while let Some(behind) = self.behind.over(now, self.most) {
            self.shares.count_behind(behind.service, behind.met);
        }
    }

    /// Another recording begins: nothing of this one is met any more; which services are gateways stays known.
    pub fn restart(&mut self) {
        self.forget(i64::MAX);
    }
}

fn half(r: &Record, path: u64) -> Half {
    Half {
        service: r.service,
        method: r.method,
        path,
        start: r.start,
        end: r.end,
        place: r.time.min(r.stream),
        span: r.span_id,
        met: false,
    }
}

fn is_one_call(front: &Half, behind: &Half) -> bool {
    front.service != behind.service
        && front.method == behind.method
        && behind.start.saturating_add(SKEW) >= front.start
        && behind.end <= front.end.saturating_add(SKEW)
}

fn pair(first: &Half, row: u32, gateway: bool) -> Pair {
    Pair {
        row,
        gateway,
        place: first.place,
        span: first.span,
    }
}

#[cfg(test)]
mod tests;
