//! Requests held back until those before them have come: released in order of time, as stream time passes.
//!
//! Exporters flush every five seconds, children first, so arrival order is not time order. What is released is a batch
//! of its own, whose spans have long left: its texts are the few that a finding names.

mod filled;
mod kept;
mod packed;

use std::collections::BTreeMap;
use std::mem::take;

use serde::Deserialize;

use crate::codec::{ALONE, MERGED, Member, Pair, Record, SpanBatch, WAITS};
use filled::filled;
use packed::Bucket;

/// The number of a request that is not held any more.
pub const GONE: u64 = u64::MAX;

/// Requests are released by stretches of time this long (ns): more of them at once would keep the next spans waiting.
const STRETCH: i64 = 1_000_000_000 / 64;
/// A request waits this many stretches for those before it: six seconds.
const WAIT: i64 = 6 * 64;
/// Memory of this many buckets is used again, and of released batches with at most so many rows.
const SPARE: usize = 2;
const ROWS: usize = 4096;

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

/// Requests in the order they are judged in.
#[derive(Debug, Default)]
pub struct Released {
    members: Vec<Member>,
    /// Which of all requests ever held each is, in order of arrival.
    pub numbers: Vec<u64>,
    /// The row of the batch in hand before which each was released.
    pub before: Vec<u32>,
    /// Requests that are told of no more, by number, and those that they were joined with, or `GONE`.
    pub joined: Vec<(u64, u64)>,
    /// Whether some of them were not judged as they came.
    pub alone: bool,
}

impl Released {
    /// The rows as a batch: nothing of it is sent on.
    #[must_use]
    pub fn batch(&mut self) -> SpanBatch {
        SpanBatch::from_members(take(&mut self.members))
    }
}

/// The requests that wait, by the stretch of their time.
#[derive(Debug)]
pub struct Steps {
    cap: usize,
    held: BTreeMap<i64, Bucket>,
    /// What came after its time.
    behind: Bucket,
    /// Stretches before this one have been released.
    released: i64,
    /// Stretch of stream time.
    now: i64,
    next: u64,
    spare: Vec<Bucket>,
    used: Vec<(Vec<Record>, Vec<u8>)>,
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
            now: i64::MIN,
            next: 0,
            spare: Vec::new(),
            used: Vec::new(),
            out: Released::default(),
            counts: Counts::default(),
        }
    }

    /// Holds the new requests of a batch; answers those whose time has come meanwhile.
    pub fn process(&mut self, batch: &SpanBatch) -> Released {
        let mut number = 0;
        let mut pairs = batch.pairs.as_slice();
        for member in batch.members() {
            for r in &member.rows {
                if r.is_new_request() {
                    self.tick(r.stream / STRETCH, number);
                    let own = pairs.iter().take_while(|pair| pair.row == number).count();
                    let (own, rest) = pairs.split_at(own);
                    pairs = rest;
                    match own {
                        [] => self.hold(r, member, number + 1),
                        own => self.join(r, member, own, number + 1),
                    }
                }
                number += 1;
            }
        }
        take(&mut self.out)
    }

    /// A request whose call another service tells of: of the two the application's is held, with what the gateway's adds.
    fn join(&mut self, r: &Record, member: &Member, pairs: &[Pair], before: u32) {
        let fronts = pairs.iter().filter(|pair| !pair.gateway);
        let held = fronts
            .filter_map(|pair| self.take_out(pair, &r.trace_id))
            .next();
        let (row, texts) = match &held {
            Some((number, front, there)) => {
                self.out.joined.push((*number, self.next));
                let (row, texts) = filled((r, member), (front, there));
                (row, Some(texts))
            }
            None => (*r, None),
        };
        let member = texts.as_ref().unwrap_or(member);
        match pairs.iter().find(|pair| pair.gateway) {
            Some(pair) => self.complete(pair, &row, member),
            None => self.hold(&row, member, before),
        }
    }

    fn take_out(&mut self, pair: &Pair, trace: &[u8; 16]) -> Option<(u64, Record, Member)> {
        let bucket = bucket(&mut self.held, &mut self.behind, pair.place)?;
        let taken = bucket.take(bucket.find(trace, &pair.span)?);
        self.counts.held -= usize::from(taken.is_some());
        taken
    }

    /// Gives the application's request, which is held, what a gateway's half adds to it.
    fn complete(&mut self, pair: &Pair, front: &Record, there: &Member) {
        let number = self.next;
        self.next += 1;
        let bucket = bucket(&mut self.held, &mut self.behind, pair.place);
        let found = bucket.and_then(|bucket| {
            let index = bucket.find(&front.trace_id, &pair.span)?;
            let (number, mut app) = bucket.get(index)?;
            let cost = bucket.cost();
            let texts = bucket.apart(&mut app);
            let (app, texts) = filled((&app, &texts), (front, there));
            bucket.replace(index, &app, &texts);
            Some((number, bucket.cost() - cost))
        });
        let (app, cost) = found.unwrap_or((GONE, 0));
        self.counts.bytes += cost;
        self.out.joined.push((number, app));
    }

    /// Lets stream time (ns) pass without a request.
    pub fn advance(&mut self, now: i64) -> Released {
        self.tick(now / STRETCH, 0);
        take(&mut self.out)
    }

    /// Everything that is held, for nothing more is to come; `before` is the number of rows of the batch in hand.
    ///
    /// What comes all the same, after a reload or a restart, waits as ever.
    pub fn drain(&mut self, before: u32) -> Released {
        let released = self.released.max(self.now.saturating_sub(WAIT));
        self.release(i64::MAX, before);
        self.released = released;
        take(&mut self.out)
    }

    /// Starts anew with another recording; what was held should have been drained.
    pub fn restart(&mut self) {
        self.release(i64::MAX, 0);
        self.out = Released::default();
        (self.released, self.now) = (i64::MIN, i64::MIN);
    }

    /// Takes back the memory of a released batch that nobody reads any more: fresh memory costs more than all else here.
    pub fn reuse(&mut self, batch: &mut SpanBatch) {
        for member in take(batch).into_members() {
            if self.used.len() < SPARE && member.rows.capacity() <= ROWS {
                let mut rows = member.rows;
                rows.clear();
                self.used.push((rows, member.made));
            }
        }
    }

    /// Time (ns) before which no request will be released any more, but for those that come late; they count at it.
    #[must_use]
    pub fn bound(&self) -> i64 {
        self.released.max(0).saturating_mul(STRETCH)
    }

    /// What was counted, and what is held.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Releases what has waited long enough when stream time passes into the stretch `now`.
    fn tick(&mut self, now: i64, before: u32) {
        if now > self.now {
            self.now = now;
            self.release(now - WAIT, before);
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
        let stretch = time / STRETCH;
        if stretch < self.released {
            let on_time = stretch >= self.now.saturating_sub(WAIT);
            self.counts.hurried += u64::from(on_time);
            self.counts.late += u64::from(!on_time);
        }
        let spare = &mut self.spare;
        let bucket = if stretch < self.released {
            &mut self.behind
        } else {
            self.held
                .entry(stretch)
                .or_insert_with(|| spare.pop().unwrap_or_default())
        };
        let cost = bucket.cost();
        let mut row = *r;
        row.stream = time.max(self.released.saturating_mul(STRETCH));
        bucket.push(self.next, &row, member);
        self.next += 1;
        self.counts.held += 1;
        self.counts.bytes += bucket.cost() - cost;
        while self.counts.bytes > self.cap && self.counts.held > 0 {
            self.hurry(before);
        }
    }

    /// Judges the earliest stretch that is held before its time.
    fn hurry(&mut self, before: u32) {
        let Some((stretch, bucket)) = self.held.pop_first() else {
            let late = take(&mut self.behind);
            return self.emit(late, before);
        };
        self.counts.hurried += bucket.len() as u64;
        self.released = self.released.max(stretch.saturating_add(1));
        self.emit(bucket, before);
    }

    /// Puts a bucket's rows out in order of time, trace and span.
    fn emit(&mut self, mut bucket: Bucket, before: u32) {
        if bucket.places() == 0 {
            return;
        }
        self.counts.held -= bucket.len();
        self.counts.bytes -= bucket.cost();
        bucket.sort();
        let (rows, texts) = self.used.pop().unwrap_or_default();
        let mut member = Member::empty();
        member.rows = rows;
        for (number, mut row) in (0..bucket.places()).filter_map(|index| bucket.get(index)) {
            if row.is_set_back() {
                row.marks = row.marks & !(WAITS | MERGED) | ALONE;
                self.out.alone = true;
            }
            self.out.numbers.push(number);
            member.rows.push(row);
        }
        member.spans = member.rows.len() as u32;
        member.made = bucket.empty(texts);
        self.out.before.resize(self.out.numbers.len(), before);
        self.out.members.push(member);
        if self.spare.len() < SPARE {
            self.spare.push(bucket);
        }
    }
}

/// The stretch in which a request of that time is held, or what came after its time.
fn bucket<'a>(
    held: &'a mut BTreeMap<i64, Bucket>,
    behind: &'a mut Bucket,
    place: i64,
) -> Option<&'a mut Bucket> {
    Some(held.get_mut(&(place / STRETCH)).unwrap_or(behind))
}
