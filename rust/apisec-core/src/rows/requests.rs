//! Which rows are requests, when they count, and where they came from.

mod keep;

use super::address::{self, Network};
use super::calls::{Calls, Ids};
use super::memo::Memo;
use super::query;
use super::retries::{Retries, Seen, Written};
use super::stream::Stream;
use crate::codec::{Member, PROXIED, Pair, Record, SpanBatch, WIDE};
use crate::hash::Hasher;
use serde::Deserialize;
use std::net::IpAddr;

/// What the processor `requests` hands over at start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Networks whose X-Forwarded-For entries are believed.
    pub trusted_proxies: Vec<String>,
    /// Cap of the retry memory, in bytes.
    pub retry_bytes: usize,
    /// Names of services that are gateways, beside those that are found to be.
    #[serde(default)]
    pub gateways: Vec<String>,
    /// Cap of calls that wait for their other half, in bytes.
    #[serde(default)]
    pub call_bytes: usize,
}

/// Counts since the start.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    /// Requests observed.
    pub requests: u64,
    /// Request spans that came again.
    pub repeats: u64,
    /// Ids that came again on another span.
    pub repeated_ids: u64,
    /// Rows over 10 minutes behind.
    pub late: u64,
}

/// The processor's state: stream time and the memory of retries.
#[derive(Debug)]
pub struct Requests {
    trusted: Vec<Network>,
    stream: Stream,
    retries: Retries,
    calls: Calls,
    hasher: Hasher,
    /// Counts since the start.
    pub counts: Counts,
}

impl Requests {
    /// Fails on a network that is none.
    pub fn new(settings: &Settings, hasher: Hasher) -> Result<Self, String> {
        let trusted = settings
            .trusted_proxies
            .iter()
            .map(|text| network(text))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            trusted,
            stream: Stream::default(),
            retries: Retries::new(settings.retry_bytes),
            calls: Calls::new(&settings.gateways, settings.call_bytes),
            hasher,
            counts: Counts::default(),
        })
    }

    /// Fills `request`, `repeat`, `late`, times, status flags, service and client of each row.
    ///
    /// `received` is the clock in nanoseconds; None takes each span's end (replay).
    pub fn process(&mut self, batch: &mut SpanBatch, received: Option<i64>) {
        let mut again = Vec::new();
        let mut pairs = Vec::new();
        let mut number = 0;
        for member in batch.members_mut() {
            let mut rows = std::mem::take(&mut member.rows);
            let mut service = Memo::default();
            for r in &mut rows {
                if let Some(written) = self.row(r, member, received, &mut service) {
                    again.push((number, written));
                } else if r.is_new_request() && r.late != 1 {
                    self.call(r, member, number as u32, &mut pairs);
                }
                number += 1;
            }
            member.rows = rows;
        }
        batch.pairs = pairs;
        for (row, written) in again {
            batch.annotate(row, written.iter().cloned());
        }
    }

    /// Fills one row; what was written on it before, when it came again.
    fn row(
        &mut self,
        r: &mut Record,
        member: &Member,
        received: Option<i64>,
        service: &mut Memo,
    ) -> Option<Written> {
        r.request = if is_request(r) { 1 } else { -1 };
        if r.request != 1 {
            return None;
        }
        // Before the look-up: what is remembered of a stream's first request is remembered at its time, not at zero.
        self.place(r, received);
        let seen = self.see(r);
        r.repeat = if matches!(seen, Seen::Repeat(_)) {
            1
        } else {
            -1
        };
        r.service = service.id(
            &self.hasher,
            member,
            [r.environment_text, r.namespace_text, r.service_text],
        );
        self.origin(r, member);
        outcome(r);
        if let Seen::Repeat(written) = seen {
            self.counts.repeats += 1;
            return Some(written);
        }
        self.counts.late += u64::from(r.late == 1);
        self.counts.repeated_ids += u64::from(seen == Seen::RepeatedId);
        self.counts.requests += 1;
        None
    }

    fn see(&mut self, r: &Record) -> Seen {
        if r.trace_id == [0; 16] || r.span_id == [0; 8] {
            return Seen::First;
        }
        self.retries.see(self.id(r), r.start, self.stream.now())
    }

    fn id(&self, r: &Record) -> u64 {
        self.pair(&r.trace_id, &r.span_id)
    }

    fn pair(&self, trace: &[u8; 16], span: &[u8; 8]) -> u64 {
        let mut both = [0_u8; 24];
        both[..16].copy_from_slice(trace);
        both[16..].copy_from_slice(span);
        self.hasher.text(&both)
    }

    /// Finds out whether another service tells of the same call.
    fn call(&mut self, r: &mut Record, member: &Member, number: u32, pairs: &mut Vec<Pair>) {
        if !self.calls.watches(r, member.text(r.service_text)) {
            return;
        }
        let ids = Ids {
            own: self.id(r),
            parent: if r.parent_id == [0; 8] {
                0
            } else {
                self.pair(&r.trace_id, &r.parent_id)
            },
            path: self.hasher.some(&query::decoded(member.text(r.path_text))),
        };
        self.calls.arrive(r, ids, number, pairs);
    }

    fn place(&mut self, r: &mut Record, received: Option<i64>) {
        let placed = self
            .stream
            .place(r.start, received.unwrap_or_else(|| ended(r)));
        r.time = placed.time;
        r.stream = placed.stream;
        r.late = i8::from(placed.late);
    }

    fn origin(&self, r: &mut Record, member: &Member) {
        match self.client(r, member) {
            Some(address) => {
                r.client = self.address(address);
                r.network = self.address(address::neighbourhood(address));
                if address.is_ipv6() {
                    r.marks |= WIDE;
                }
                if address::is_trusted(address, &self.trusted) {
                    r.marks |= PROXIED;
                }
            }
            None => {
                r.client = self.hasher.some(member.text(r.client_text));
                r.network = r.client;
            }
        }
    }

    fn address(&self, address: IpAddr) -> u64 {
        match address {
            IpAddr::V4(v4) => self.hasher.text(&v4.octets()),
            IpAddr::V6(v6) => self.hasher.text(&v6.octets()),
        }
    }

    /// The socket's peer unless it is a trusted proxy; then what the proxies wrote, read from the right.
    fn client(&self, r: &Record, member: &Member) -> Option<IpAddr> {
        let claimed = parsed(member.text(r.client_text));
        let peer = parsed(member.text(r.peer_text)).or(claimed)?;
        if !address::is_trusted(peer, &self.trusted) {
            return Some(peer);
        }
        std::str::from_utf8(member.text(r.forwarded_text))
            .ok()
            .filter(|text| !text.is_empty())
            .and_then(|text| address::walk(text, &self.trusted))
            .or(claimed)
            .or(Some(peer))
    }

    /// Remembers what was written on the rows of a batch, so that a retry leaves with the same annotations.
    pub fn remember(&mut self, batch: &SpanBatch) {
        for (row, written) in batch.annotated() {
            if let Some(r) = batch.record(row).filter(|r| r.repeat != 1) {
                self.retries.write(self.id(r), written.into());
            }
        }
    }

    /// Stream time in nanoseconds.
    pub fn now(&self) -> i64 {
        self.stream.now()
    }

    /// Lets time pass without rows.
    pub fn idle(&mut self, until: i64) {
        self.stream.idle(until);
    }

    /// Whether a batch that is still to be processed begins another recording, over 10 minutes behind stream time.
    ///
    /// The first request of a recording says so; None of a batch without one.
    pub fn is_behind(&self, batch: &SpanBatch) -> Option<bool> {
        let first = batch.records().find(|r| is_request(r))?;
        Some(self.stream.is_behind(first.start, ended(first)))
    }

    /// Restarts time for a file that begins in the past; its spans are no retries of what came before.
    pub fn restart(&mut self) {
        self.stream.restart();
        self.retries.clear();
        self.calls.restart();
    }

    /// Calls that two services told of, and bytes held by those that wait for their other half.
    pub fn calls(&self) -> (u64, usize) {
        (self.calls.merged, self.calls.bytes())
    }

    /// Bytes held by the retry memory.
    pub fn bytes(&self) -> usize {
        self.retries.bytes()
    }
}

/// Whether a span is an API call received.
fn is_request(r: &Record) -> bool {
    r.method != 0 || !r.status.is_nan() || r.rpc_text.len > 0
}

/// When a stored span was received at the earliest: at its end, even one before the start, which a broken clock may claim.
fn ended(r: &Record) -> i64 {
    i64::try_from(if r.end == 0 { r.start } else { r.end }).unwrap_or(i64::MAX)
}

fn network(text: &str) -> Result<Network, String> {
    Network::parse(text)
        .ok_or_else(|| format!("trusted_proxies: {text} is no network in CIDR notation"))
}

fn parsed(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok().and_then(address::parse)
}

/// The flags that the status decides; unknown without a status.
fn outcome(r: &mut Record) {
    let flag = |holds: bool| {
        if r.status.is_nan() {
            0
        } else if holds {
            1
        } else {
            -1
        }
    };
    let status = r.status;
    r.succeeded = flag((200.0..400.0).contains(&status));
    r.denied = flag(status == 401.0 || status == 403.0);
    r.not_found = flag(status == 404.0 || status == 405.0);
    r.failed = flag(status >= 400.0);
}
