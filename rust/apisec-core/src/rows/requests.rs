//! Which rows are requests, when they count, and where they came from.

use super::address::{self, Network};
use super::retries::{Retries, Seen};
use super::stream::Stream;
use crate::codec::record::Record;
use crate::codec::SpanBatch;
use crate::error::Error;
use crate::hash::Hasher;
use bytes::Bytes;
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
    hasher: Hasher,
    /// Counts since the start.
    pub counts: Counts,
}

impl Requests {
    /// Fails on a network that is none.
    pub fn new(settings: &Settings, hasher: Hasher) -> Result<Self, Error> {
        let trusted = settings.trusted_proxies.iter().map(|text| network(text)).collect::<Result<_, _>>()?;
        Ok(Self { trusted, stream: Stream::default(), retries: Retries::new(settings.retry_bytes), hasher, counts: Counts::default() })
    }

    /// Fills `request`, `repeat`, `late`, times, status flags, service and client of each row.
    ///
    /// `received` is the clock in nanoseconds; None takes each span's end (replay).
    pub fn process(&mut self, batch: &mut SpanBatch, received: Option<i64>) {
        for member in 0..batch.members.len() {
            for row in 0..batch.members[member].rows.len() {
                if let Some(written) = self.row(batch, member, row, received) {
                    batch.restore(member, row, written);
                }
            }
        }
    }

    fn row(&mut self, batch: &mut SpanBatch, member: usize, row: usize, received: Option<i64>) -> Option<Bytes> {
        let bytes = batch.members[member].bytes.clone();
        let r = &mut batch.members[member].rows[row];
        let is_request = r.method != 0 || !r.status.is_nan() || r.rpc_text.len > 0;
        r.request = if is_request { 1 } else { -1 };
        if !is_request {
            return None;
        }
        let seen = self.see(r);
        self.place(r, received);
        outcome(r);
        self.origin(r, &bytes);
        match seen {
            Seen::Repeat(written) => {
                r.repeat = 1;
                self.counts.repeats += 1;
                (!written.is_empty()).then_some(written)
            }
            Seen::RepeatedId => {
                self.counts.repeated_ids += 1;
                self.counts.requests += 1;
                None
            }
            Seen::First => {
                self.counts.requests += 1;
                None
            }
        }
    }

    fn see(&mut self, r: &Record) -> Seen {
        if r.trace_id == [0; 16] || r.span_id == [0; 8] {
            return Seen::First;
        }
        self.retries.see(self.ids(r), r.start, self.stream.now())
    }

    fn ids(&self, r: &Record) -> (u64, u64) {
        let mut both = [0_u8; 24];
        both[..16].copy_from_slice(&r.trace_id);
        both[16..].copy_from_slice(&r.span_id);
        (self.hasher.text(&both), u64::from_le_bytes(r.span_id))
    }

    fn place(&mut self, r: &mut Record, received: Option<i64>) {
        let end = || i64::try_from(r.end.max(r.start)).unwrap_or(i64::MAX);
        let placed = self.stream.place(r.start, received.unwrap_or_else(end));
        r.time = placed.time;
        r.stream = placed.stream;
        r.late = i8::from(placed.late);
        self.counts.late += u64::from(placed.late);
    }

    fn origin(&self, r: &mut Record, bytes: &[u8]) {
        r.service = self.hasher.texts(&[r.environment_text.of(bytes), r.namespace_text.of(bytes), r.service_text.of(bytes)]);
        match self.client(r, bytes) {
            Some(address) => {
                r.client = self.address(address);
                r.network = self.address(address::neighbourhood(address));
            }
            None => {
                r.client = if r.client_text.len > 0 { self.hasher.text(r.client_text.of(bytes)) } else { 0 };
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
    fn client(&self, r: &Record, bytes: &[u8]) -> Option<IpAddr> {
        let claimed = parsed(r.client_text.of(bytes));
        let peer = parsed(r.peer_text.of(bytes)).or(claimed)?;
        if !address::is_trusted(peer, &self.trusted) {
            return Some(peer);
        }
        std::str::from_utf8(r.forwarded_text.of(bytes))
            .ok()
            .filter(|text| !text.is_empty())
            .and_then(|text| address::walk(text, &self.trusted))
            .or(claimed)
            .or(Some(peer))
    }

    /// The client address of a row as text, for findings.
    pub fn client_text(&self, r: &Record, bytes: &[u8]) -> Option<String> {
        self.client(r, bytes).map(|a| a.to_string())
    }

    /// Remembers what was written on the rows of a batch, so that a retry leaves with the same annotations.
    pub fn remember(&mut self, batch: &SpanBatch) {
        for (member, row, written) in batch.written() {
            let r = &batch.members[member].rows[row];
            self.retries.write(self.ids(r), written);
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

    /// Restarts time for a file that begins in the past.
    pub fn restart(&mut self) {
        self.stream.restart();
    }

    /// Bytes held by the retry memory.
    pub fn bytes(&self) -> usize {
        self.retries.bytes()
    }
}

fn network(text: &str) -> Result<Network, Error> {
    Network::parse(text).ok_or_else(|| Error::new(0, format!("trusted_proxies: {text} is no network in CIDR notation")))
}

fn parsed(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok().and_then(address::parse)
}

/// The flags that the status decides; unknown without a status.
fn outcome(r: &mut Record) {
    let flag = |holds: bool| if r.status.is_nan() { 0 } else if holds { 1 } else { -1 };
    let status = r.status;
    r.succeeded = flag((200.0..400.0).contains(&status));
    r.denied = flag(status == 401.0 || status == 403.0);
    r.not_found = flag(status == 404.0 || status == 405.0);
    r.failed = flag(status >= 400.0);
    #[allow(clippy::cast_precision_loss)]
    let nanos = r.end.saturating_sub(r.start) as f64;
    r.duration = nanos / 1e9;
}
