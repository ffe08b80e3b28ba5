//! Requests held back until those before them have come: released in order of time at whole seconds of stream time.
//!
//! Exporters flush every five seconds, children first, so arrival order is not time order. What is released is a batch
//! of its own, whose spans have long left: its texts are the few that a finding names.

mod kept;

use std::collections::BTreeMap;
use std::mem::{size_of, take};

use bytes::Bytes;
use serde::Deserialize;

use crate::codec::{Member, Record, SpanBatch};
use crate::wire::Slice;

const SECOND: i64 = 1_000_000_000;
/// A request waits this many seconds for those before it.
pub const WAIT: i64 = 6;
/// What a held request costs beside its texts.
const ROW: usize = size_of::<Record>() + size_of::<u64>();
/// Longer texts are cut: a finding shows no more.
const LONGEST: usize = 256;
/// What the processor hands over at start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Cap of what is held, in bytes.
    pub bytes: usize,
}

/// Counts since the start, and what is held now.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Requests that came after their time and were judged last.
    pub late: u64,
    /// Requests judged before their time for want of room.
    pub hurried: u64,
    /// Requests held now.
    pub held: usize,
    /// Bytes that they take.
    pub bytes: usize,
}

/// The requests of one second, as they came.
#[derive(Debug, Default)]
struct Bucket {
    rows: Vec<Record>,
    numbers: Vec<u64>,
    texts: Vec<u8>,
}

impl Bucket {
    fn cost(&self) -> usize {
        self.rows.len() * ROW + self.texts.len()
    }

    fn clear(&mut self) {
        self.rows.clear();
        self.numbers.clear();
        self.texts.clear();
    }
}

/// Requests in the order they are judged in.
#[derive(Debug, Default)]
pub struct Released {
    members: Vec<Member>,
    /// Which of all requests ever held each is, in order of arrival.
    pub numbers: Vec<u64>,
    /// The row of the batch in hand before which each was released.
    pub before: Vec<u32>,
}

impl Released {
    /// The rows as a batch: nothing of it is sent on.
    #[must_use]
    pub fn batch(&mut self) -> SpanBatch {
        SpanBatch::from_members(take(&mut self.members))
    }
}

/// The requests that wait, by the second of their time.
#[derive(Debug)]
pub struct Steps {
    cap: usize,
    held: BTreeMap<i64, Bucket>,
    /// What came after its time.
    behind: Bucket,
    /// Seconds before this one have been released.
    released: i64,
    /// Whole second of stream time.
    second: i64,
    next: u64,
    order: Vec<(i64, u32)>,
    spare: Vec<Bucket>,
    used: Vec<Vec<Record>>,
    out: Released,
    counts: Counts,
}

impl Steps {
    /// Nothing held.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            cap: settings.bytes,
            held: BTreeMap::new(),
            behind: Bucket::default(),
            released: i64::MIN,
            second: i64::MIN,
            next: 0,
            order: Vec::new(),
            spare: Vec::new(),
            used: Vec::new(),
            out: Released::default(),
            counts: Counts::default(),
        }
    }

    /// Holds the new requests of a batch; answers those whose time has come meanwhile.
    pub fn process(&mut self, batch: &SpanBatch) -> Released {
        let mut number = 0;
        for member in batch.members() {
            for r in &member.rows {
                if r.is_new_request() {
                    self.tick(r.stream / SECOND, number);
                    self.hold(r, member, number + 1);
                }
                number += 1;
            }
        }
        take(&mut self.out)
    }

    /// Lets stream time (ns) pass without a request.
    pub fn advance(&mut self, now: i64) -> Released {
        self.tick(now / SECOND, 0);
        take(&mut self.out)
    }

    /// Everything that is held, for nothing more is to come; `before` is the number of rows of the batch in hand.
    ///
    /// What comes all the same, after a reload or a restart, waits as ever.
    pub fn drain(&mut self, before: u32) -> Released {
        let released = self.released.max(self.second.saturating_sub(WAIT));
        self.release(i64::MAX, before);
        self.released = released;
        take(&mut self.out)
    }

    /// Starts anew with another recording; what was held should have been drained.
    pub fn restart(&mut self) {
        self.release(i64::MAX, 0);
        self.out = Released::default();
        (self.released, self.second) = (i64::MIN, i64::MIN);
    }

    /// Takes back the memory of a released batch that nobody reads any more: fresh memory costs more than all else here.
    pub fn reuse(&mut self, batch: &mut SpanBatch) {
        for member in take(batch).into_members() {
            if self.used.len() < 2 * WAIT as usize {
                let mut rows = member.rows;
                rows.clear();
                self.used.push(rows);
            }
        }
    }

    /// Time (ns) before which no request will be released any more, but for those that come late; they count at it.
    #[must_use]
    pub fn bound(&self) -> i64 {
        self.released.max(0).saturating_mul(SECOND)
    }

    /// What was counted, and what is held.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Releases what has waited long enough when stream time passes into `second`.
    fn tick(&mut self, second: i64, before: u32) {
        if second > self.second {
            self.second = second;
            self.release(second - WAIT, before);
        }
    }

    fn release(&mut self, until: i64, before: u32) {
        while let Some(entry) = self.held.first_entry().filter(|entry| *entry.key() < until) {
            let bucket = entry.remove();
            self.emit(bucket, before);
        }
        self.released = self.released.max(until);
        let late = take(&mut self.behind);
        self.emit(late, before);
    }

    fn hold(&mut self, r: &Record, member: &Member, before: u32) {
        // An end in a future that the stream does not believe moves nobody.
        let time = r.time.min(r.stream);
        let second = time / SECOND;
        if second < self.released {
            let on_time = second >= self.second.saturating_sub(WAIT);
            self.counts.hurried += u64::from(on_time);
            self.counts.late += u64::from(!on_time);
        }
        let spare = &mut self.spare;
        let bucket = if second < self.released {
            &mut self.behind
        } else {
            self.held
                .entry(second)
                .or_insert_with(|| spare.pop().unwrap_or_default())
        };
        let cost = bucket.cost();
        let mut row = *r;
        row.stream = time.max(self.released.saturating_mul(SECOND));
        keep(&mut row, member, &mut bucket.texts);
        bucket.rows.push(row);
        bucket.numbers.push(self.next);
        self.next += 1;
        self.counts.held += 1;
        self.counts.bytes += bucket.cost() - cost;
        while self.counts.bytes > self.cap && self.counts.held > 0 {
            self.hurry(before);
        }
    }

    /// Judges the earliest second that is held before its time.
    fn hurry(&mut self, before: u32) {
        let Some((second, bucket)) = self.held.pop_first() else {
            let late = take(&mut self.behind);
            return self.emit(late, before);
        };
        self.counts.hurried += bucket.rows.len() as u64;
        self.released = self.released.max(second.saturating_add(1));
        self.emit(bucket, before);
    }

    /// Puts a bucket's rows out in order of time, trace and span.
    fn emit(&mut self, mut bucket: Bucket, before: u32) {
        if bucket.rows.is_empty() {
            return;
        }
        self.counts.held -= bucket.rows.len();
        self.counts.bytes -= bucket.cost();
        let mut member = Member::empty();
        let mut rows = self.used.pop().unwrap_or_default();
        if bucket.rows.is_sorted_by(|a, b| place(a) <= place(b)) {
            self.out.numbers.extend_from_slice(&bucket.numbers);
            std::mem::swap(&mut rows, &mut bucket.rows);
        } else {
            self.sort(&bucket);
            let places = || self.order.iter().map(|&(_, at)| at as usize);
            rows.extend(places().map(|at| bucket.rows[at]));
            self.out
                .numbers
                .extend(places().map(|at| bucket.numbers[at]));
        }
        member.rows = rows;
        member.spans = member.rows.len() as u32;
        member.bytes = Bytes::copy_from_slice(&bucket.texts);
        self.out.before.resize(self.out.numbers.len(), before);
        self.out.members.push(member);
        bucket.clear();
        if self.spare.len() < 2 * WAIT as usize {
            self.spare.push(bucket);
        }
    }

    /// Times are near each other in memory and seldom equal: only then are rows looked at.
    fn sort(&mut self, bucket: &Bucket) {
        let rows = &bucket.rows;
        self.order.clear();
        self.order
            .extend(rows.iter().zip(0..).map(|(row, at)| (row.time, at)));
        let ids = |at: u32| rows.get(at as usize).map(place);
        self.order
            .sort_by(|a, b| a.0.cmp(&b.0).then_with(|| ids(a.1).cmp(&ids(b.1))));
    }
}

fn place(row: &Record) -> (i64, &[u8; 16], &[u8; 8]) {
    (row.time, &row.trace_id, &row.span_id)
}

/// Copies the texts that stay with a row; it forgets the others, which lie in the request that came.
fn keep(row: &mut Record, member: &Member, texts: &mut Vec<u8>) {
    let mut kept = |slice: Slice| {
        let bytes = member.text(slice);
        let bytes = &bytes[..bytes.len().min(LONGEST)];
        let at = texts.len() as u32;
        texts.extend_from_slice(bytes);
        Slice {
            at,
            len: bytes.len() as u32,
        }
    };
    row.service_text = kept(row.service_text);
    row.method_text = kept(row.method_text);
    row.route_text = kept(row.route_text);
    row.client_text = kept(row.client_text);
    row.peer_text = kept(row.peer_text);
    row.agent_text = kept(row.agent_text);
    let gone = Slice::default();
    row.namespace_text = gone;
    row.environment_text = gone;
    row.version_text = gone;
    row.scheme_text = gone;
    row.host_text = gone;
    row.path_text = gone;
    row.query_text = gone;
    row.rpc_text = gone;
    row.forwarded_text = gone;
    row.principal_text = gone;
    row.session_text = gone;
    row.credential_text = gone;
    row.role_text = gone;
    row.error_text = gone;
    row.name_text = gone;
    row.scope_text = gone;
    row.state_text = gone;
}
