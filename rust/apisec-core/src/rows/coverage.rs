//! What each service tells of its requests: which columns are missing, which instrumentation writes its spans, how many
//! of them were sampled away, and when a busy one fell silent.

use super::columns::{Columns, Judged};
use crate::codec::{Member, Record, SpanBatch};
use crate::hash::IdMap;
use crate::kernels::Kind;
use crate::plan::{Input, Rows};
use serde::Deserialize;

const SECOND: i64 = 1_000_000_000;
/// Seconds that are still open: spans of them may yet come.
const OPEN: i64 = 12;
const RING: usize = 64;
/// An exporter sends every five seconds; so long a silence, up to a minute, is a batch that never came.
const BATCH: i64 = 5;
const LONGEST: i64 = 60;
/// Requests that a silence must have swallowed: by chance so many are missing once in e^30 times.
const EXPECTED: f64 = 30.0;
/// A rate follows the last minute.
const MEMORY: f64 = 60.0;
const SCOPES: usize = 8;

/// What the processor hands over at start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Columns that are looked at.
    pub columns: Vec<String>,
    /// One of so many requests of a service is looked at.
    pub every: u64,
    /// At most this many services are told apart.
    pub services: usize,
    /// The tracestate member that holds the sampling threshold, and its key there.
    pub threshold: (String, String),
}

/// One service as its requests show it.
#[derive(Debug, Clone)]
pub struct Service {
    /// `service.name` and the environment, as sent.
    pub name: String,
    /// The environment; empty when it is missing.
    pub environment: String,
    /// Requests seen.
    pub requests: u64,
    /// Requests looked at.
    pub asked: u64,
    /// Of them, how many lacked each column.
    pub missing: Vec<u64>,
    /// Instrumentation scopes and their requests, the first few.
    pub scopes: Vec<(String, u64)>,
    /// Requests that say with which probability they were sampled, and how many they stand for.
    pub sampled: u64,
    /// Sum of 1 / probability.
    pub represented: f64,
    /// Row time of the latest request, ns.
    pub last: i64,
    /// Requests a second, over the last minute.
    pub rate: f64,
    /// Silences of a batch interval or more that ended within a minute, and the seconds that they lasted.
    pub silences: u64,
    /// Their seconds.
    pub silent_seconds: u64,
    /// When the latest of them began, ns.
    pub silent_at: i64,
    seconds: [u32; RING],
    closed: i64,
    quiet: i64,
}

/// The processor's state.
#[derive(Debug)]
pub struct Coverage {
    settings: Settings,
    columns: Columns,
    services: IdMap<u64, Service>,
    now: i64,
    /// Requests of services for which there was no room.
    pub overflow: u64,
}

impl Coverage {
    /// State with no service seen; fails on a column that no record has.
    pub fn new(settings: Settings) -> Result<Self, String> {
        let inputs: Vec<_> = settings
            .columns
            .iter()
            .map(|name| Input {
                name: name.clone(),
                kind: Kind::Id, // each is read as what it is
            })
            .collect();
        Ok(Self {
            columns: Columns::bind(&inputs)?,
            settings,
            services: IdMap::default(),
            now: 0,
            overflow: 0,
        })
    }

    /// Counts the requests of a batch.
    pub fn process(&mut self, batch: &SpanBatch) {
        let judged = Judged::all(batch, &self.columns);
        for at in 0..judged.len() {
            let record = judged.record(at);
            self.now = self.now.max(record.stream);
            let Some(service) = seen(&mut self.services, &self.settings, record, batch) else {
                self.overflow += 1;
                continue;
            };
            service.count(record);
            if service.requests % self.settings.every == 1 % self.settings.every {
                service.look(&judged, at);
                service.hear(record, batch.member(record), &self.settings.threshold);
            }
        }
    }

    /// Time (ns) has come to this, with a request or without.
    pub fn advance(&mut self, now: i64) {
        self.now = self.now.max(now);
    }

    /// Stream time, ns.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Every service, in no order.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }
}

fn seen<'a>(
    services: &'a mut IdMap<u64, Service>,
    settings: &Settings,
    record: &Record,
    batch: &SpanBatch,
) -> Option<&'a mut Service> {
    if !services.contains_key(&record.service) && services.len() >= settings.services {
        return None;
    }
    Some(services.entry(record.service).or_insert_with(|| {
        let member = batch.member(record);
        let names = [record.service_text, record.environment_text].map(|slice| text(member, slice));
        Service::new(names, settings.columns.len(), record.stream / SECOND - OPEN)
    }))
}

fn text(member: Option<&Member>, slice: crate::codec::Slice) -> String {
    let bytes = member.map(|member| member.text(slice)).unwrap_or_default();
    String::from_utf8_lossy(bytes.get(..bytes.len().min(256)).unwrap_or_default()).into_owned()
}

impl Service {
    /// Nothing counted; seconds up to `closed` are over.
    fn new([name, environment]: [String; 2], columns: usize, closed: i64) -> Self {
        Self {
            name,
            environment,
            requests: 0,
            asked: 0,
            missing: vec![0; columns],
            scopes: Vec::new(),
            sampled: 0,
            represented: 0.0,
            last: 0,
            rate: 0.0,
            silences: 0,
            silent_seconds: 0,
            silent_at: 0,
            seconds: [0; RING],
            closed,
            quiet: 0,
        }
    }

    fn count(&mut self, record: &Record) {
        self.requests += 1;
        self.last = self.last.max(record.time);
        self.close(record.stream / SECOND - OPEN);
        let second = record.time / SECOND;
        if second > self.closed {
            self.seconds[second.rem_euclid(RING as i64) as usize] += 1;
        }
    }

    /// Seconds that are over are added up, in order.
    fn close(&mut self, until: i64) {
        if until - self.closed > LONGEST + RING as i64 {
            self.seconds = [0; RING];
            self.quiet = LONGEST + 1;
            self.closed = until;
        }
        while self.closed < until {
            self.closed += 1;
            let place = self.closed.rem_euclid(RING as i64) as usize;
            let count = std::mem::take(&mut self.seconds[place]);
            self.end_second(count);
        }
    }

    fn end_second(&mut self, count: u32) {
        if count == 0 {
            self.quiet += 1;
            return;
        }
        let swallowed = self.rate * self.quiet as f64;
        if (BATCH..=LONGEST).contains(&self.quiet) && swallowed >= EXPECTED {
            self.silences += 1;
            self.silent_seconds += self.quiet as u64;
            self.silent_at = (self.closed - self.quiet) * SECOND;
        } else {
            // A service that is seldom called is quiet by nature.
            self.rate *= (-(self.quiet as f64) / MEMORY).exp();
        }
        self.rate += (f64::from(count) - self.rate) / MEMORY;
        self.quiet = 0;
    }

    fn look(&mut self, judged: &Judged<'_>, row: usize) {
        self.asked += 1;
        for (column, missing) in self.missing.iter_mut().enumerate() {
            *missing += u64::from(judged.lacks(column, row));
        }
    }

    /// Which instrumentation wrote the span, and with which probability it was kept.
    fn hear(&mut self, record: &Record, member: Option<&Member>, threshold: &(String, String)) {
        let scope = text(member, record.scope_text);
        if let Some((_, count)) = self.scopes.iter_mut().find(|(known, _)| *known == scope) {
            *count += 1;
        } else if self.scopes.len() < SCOPES {
            self.scopes.push((scope, 1));
        }
        let state = member
            .map(|member| member.text(record.state_text))
            .unwrap_or_default();
        if let Some(probability) = probability(state, threshold) {
            self.sampled += 1;
            self.represented += 1.0 / probability;
        }
    }
}

/// `ot=th:8` is a half: the share of 2^56 that lies at or above the threshold, whose trailing zeros are left out.
///
/// OpenTelemetry specification, "TraceState: Probability Sampling".
fn probability(state: &[u8], (member, key): &(String, String)) -> Option<f64> {
    let state = std::str::from_utf8(state).ok()?;
    let held = state
        .split(',')
        .find_map(|each| each.trim().strip_prefix(member.as_str())?.strip_prefix('='))?;
    let digits = held
        .split(';')
        .find_map(|each| each.strip_prefix(key.as_str())?.strip_prefix(':'))?;
    if !(1..=14).contains(&digits.len()) {
        return None;
    }
    let threshold = u64::from_str_radix(digits, 16).ok()? << (4 * (14 - digits.len()));
    let whole = (1u64 << 56) as f64;
    let kept = (whole - threshold as f64) / whole;
    (kept > 0.0).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Service {
        Service::new([String::new(), String::new()], 0, 1_000 - OPEN)
    }

    /// So many requests a second from second 1,000 on, one entry a second.
    fn serve(service: &mut Service, rates: &[u32]) {
        for (second, &rate) in rates.iter().enumerate() {
            let time = (1_000 + second as i64) * SECOND;
            for _ in 0..rate {
                let record = Record {
                    time,
                    stream: time,
                    ..Record::default()
                };
                service.count(&record);
            }
        }
        service.close(1_000 + rates.len() as i64);
    }

    #[test]
    fn a_busy_service_that_misses_a_batch_is_noticed() {
        let mut busy = service();
        serve(
            &mut busy,
            &[vec![20; 120], vec![0; 5], vec![20; 30]].concat(),
        );
        assert_eq!((busy.silences, busy.silent_seconds), (1, 5));
        assert_eq!(busy.silent_at / SECOND, 1_120);
    }

    #[test]
    fn a_service_that_is_seldom_called_or_goes_away_is_not() {
        let mut seldom = service();
        serve(&mut seldom, &[[1, 0, 0, 0, 0, 0, 0]; 40].concat());
        assert_eq!(seldom.silences, 0);
        let mut gone = service();
        serve(
            &mut gone,
            &[vec![20; 120], vec![0; 600], vec![20; 30]].concat(),
        );
        assert_eq!(gone.silences, 0);
    }

    #[test]
    fn the_threshold_of_the_tracestate_says_the_probability() {
        let keys = ("ot".to_owned(), "th".to_owned());
        let of = |state: &str| probability(state.as_bytes(), &keys);
        assert_eq!(of("ot=th:8"), Some(0.5));
        assert_eq!(of("vendor=x, ot=rv:1;th:c"), Some(0.25));
        assert_eq!(of("ot=th:0"), Some(1.0));
        for wrong in [
            "",
            "ot=rv:1",
            "other=th:8",
            "ot=th:",
            "ot=th:zz",
            "ot=th:123456789abcdef",
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
