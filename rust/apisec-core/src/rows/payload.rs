//! What a request says beside what requests to the same place say: a calibrated p-value for each, without labels.
//!
//! The payload model in its lean variant: each value is held against those of its parameter, its path against the tree of
//! the service's paths, its names against those of the endpoint. Scores are nats, and only what is unusual counts once:
//! the worst item, and half of the rest. It answers first and learns at the next second; what is odd teaches little.

pub(super) mod items;
mod keep;
mod lanes;
#[cfg(test)]
mod laws;
mod lessons;
mod names;
mod param;
mod paths;
mod reason;
mod score;
mod tails;
#[cfg(test)]
mod tests;

pub use items::Attributes;

use serde::Deserialize;

use crate::codec::{MERGED, Member, Reason, Record, SENDS, SpanBatch};
use crate::hash::{Hasher, mix};
use crate::rows::settled::Settled;
use crate::table::{Metrics, NONE, Table};
use crate::text::{Features, Scratch, Syntax, features};
use items::{MOST, NAMED, Place, Sent};
use lessons::Lessons;
use names::Names;
use param::Terms;
use paths::{Segment, Step};

const SECOND: i64 = 1_000_000_000;
/// A parameter that the service has so often elsewhere is less new.
const ELSEWHERE: u32 = 5;
/// Names so often seen need no look at their own text.
const SETTLED: u32 = 20;
/// Reasons are kept below this probability.
const TOLD: f64 = 0.05;
/// What is learned is forgotten when nobody asks for so long.
const EXPIRY: i64 = 30 * 24 * 3_600 * SECOND;
const SEGMENT: u64 = 512;
/// Texts whose features are kept.
const SEEN: usize = 1 << 11;
/// Shares of the cap, in sixteenths: parameters, paths, names, scores.
const SHARES: [u64; 4] = [8, 4, 2, 2];

/// What the processor hands over at start.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Cap of all that is learned, in bytes.
    pub bytes: u64,
    /// What is suspicious, as [`Syntax::from_json`] takes it.
    pub syntax: String,
    /// Which attributes say what was sent.
    pub attributes: Attributes,
}

/// One item of the request in hand.
#[derive(Debug)]
struct Item {
    place: Place,
    /// Of its name.
    id: u64,
    keys: [u64; 3],
    value: Features,
    terms: Terms,
    total: f64,
    name: Vec<u8>,
}

/// The score of a request and what it is made of.
#[derive(Debug, Default, Clone, Copy)]
struct Scored {
    item: f64,
    path: f64,
    names: names::Said,
    score: f64,
    usual: f64,
    p: f64,
    attack: u8,
}

/// All that is learned of payloads.
#[derive(Debug)]
pub struct Payload {
    hasher: Hasher,
    syntax: Syntax,
    attributes: Attributes,
    scratch: Scratch,
    /// Texts met lately, by their hash: agents and pages come again and again.
    seen: Vec<(u64, Features)>,
    params: Settled,
    paths: Settled,
    names: Settled,
    tails: Settled,
    lessons: Lessons,
    second: i64,
    /// Seconds learned.
    learned: u64,
    items: Vec<Item>,
    steps: Vec<Step>,
    sent: Names,
    /// Parameters and headers of the request in hand.
    offered: usize,
    /// Requests that did not teach, for too many came in a second.
    pub untaught: u64,
    /// Items that were not looked at, for their request has too many.
    pub cut: u64,
}

impl Payload {
    /// Nothing learned.
    ///
    /// # Errors
    /// What is wrong with the syntax.
    pub fn new(settings: Settings, hasher: Hasher) -> Result<Self, String> {
        let syntax = Syntax::from_json(&settings.syntax).map_err(|error| error.0)?;
        let table = |name: &str, cells: usize, share: u64| {
            Settled::new(
                (name, cells, false),
                SEGMENT,
                settings.bytes / 16 * share,
                EXPIRY,
            )
        };
        Ok(Self {
            hasher,
            syntax,
            attributes: settings.attributes,
            scratch: Scratch::default(),
            seen: vec![(0, Features::default()); SEEN],
            params: table("parameters", param::CELLS, SHARES[0]),
            paths: table("paths", paths::CELLS, SHARES[1]),
            names: table("names", names::CELLS, SHARES[2]),
            tails: table("scores", tails::CELLS, SHARES[3]),
            lessons: Lessons::default(),
            second: 0,
            learned: 0,
            items: Vec::new(),
            steps: Vec::new(),
            sent: Names::default(),
            offered: 0,
            untaught: 0,
            cut: 0,
        })
    }

    /// Fills `payload_p`, `payload_score` and `payload_usual` of each new request; reasons of the unusual ones go on the batch.
    pub fn process(&mut self, batch: &mut SpanBatch) {
        let mut reasons = std::mem::take(&mut batch.reasons);
        let mut number = 0;
        for member in batch.members_mut() {
            let mut rows = std::mem::take(&mut member.rows);
            for r in &mut rows {
                if r.is_new_request() && r.probe != 1 && r.marks & MERGED == 0 {
                    self.tick(r.stream);
                    if let Some(reason) = self.row(r, member) {
                        reasons.push((number, reason));
                    }
                }
                number += 1;
            }
            member.rows = rows;
        }
        batch.reasons = reasons;
    }

    /// Lets stream time (ns) pass without a request.
    pub fn advance(&mut self, now: i64) {
        self.tick(now);
    }

    /// What is held, by table.
    pub fn metrics(&self) -> [(&'static str, Metrics); 4] {
        [
            ("parameters", self.params.table.metrics()),
            ("paths", self.paths.table.metrics()),
            ("names", self.names.table.metrics()),
            ("scores", self.tails.table.metrics()),
        ]
    }

    /// Another recording begins: what was learned stays.
    pub fn restart(&mut self) {
        self.learn(self.second);
        self.second = 0;
    }

    /// The name of a family of syntax.
    pub fn family(&self, place: u8) -> &str {
        self.syntax.family(place).unwrap_or_default()
    }

    fn tick(&mut self, stream: i64) {
        let second = stream.div_euclid(SECOND);
        if second != self.second {
            self.learn(second);
            self.second = second;
        }
        for table in [
            &mut self.params,
            &mut self.paths,
            &mut self.names,
            &mut self.tails,
        ] {
            table.settle(stream);
        }
    }

    fn row(&mut self, r: &mut Record, member: &Member) -> Option<Reason> {
        let mut values = Vec::new();
        self.steps.clear();
        let walked = (&mut self.steps, &mut values);
        let path = member.text(r.path_text);
        let path = paths::walk(&self.paths.table, &self.hasher, r.service, path, walked);
        self.collect(r, member, &values);
        let mut scored = self.score(r);
        scored.path = path;
        self.judge(r, &mut scored);
        r.payload_p = scored.p;
        r.payload_score = scored.score;
        r.payload_usual = scored.usual;
        for table in [
            &mut self.params,
            &mut self.paths,
            &mut self.names,
            &mut self.tails,
        ] {
            table.count();
        }
        if r.late != 1 {
            self.note(r, &scored);
        }
        (scored.p < TOLD).then(|| self.reason(r, &scored))
    }

    /// Looks at the items of a request.
    fn collect(&mut self, r: &Record, member: &Member, values: &[Segment<'_>]) {
        self.items.clear();
        self.sent.clear();
        self.offered = 0;
        for segment in values {
            let base = mix(segment.node, 1);
            let keys = [base, mix(r.service, 2), mix(r.service, 3)];
            self.add((Place::Segment, 0), keys, b"", segment.text, (false, false));
        }
        let mut sent = Vec::new();
        items::form(member.text(r.query_text), false, &mut |item| {
            sent.push(item)
        });
        for item in sent {
            self.take(r, &item);
        }
        if r.marks & SENDS != 0 {
            let attributes = std::mem::take(&mut self.attributes);
            items::attributes(&attributes, member, r, &mut |item| self.take(r, &item));
            self.attributes = attributes;
        }
        let agent = member.text(r.agent_text);
        if !agent.is_empty() {
            self.take(r, &header(b"user-agent", agent));
        }
    }

    fn take(&mut self, r: &Record, item: &Sent<'_>) {
        self.offered += 1;
        if self.offered > NAMED {
            self.cut += 1;
            return;
        }
        let name = self.hasher.text(item.name);
        let values = mix(r.service, 4);
        let in_service = mix(mix(r.service, name), 5);
        let how = (item.plus, item.body);
        if item.place == Place::Header {
            let keys = [mix(mix(r.service, name), 6), in_service, values];
            return self.add((item.place, name), keys, item.name, item.text, how);
        }
        let elsewhere = cells(&self.params.table, in_service);
        let elsewhere = elsewhere.is_some_and(|cells| param::counts(cells).0 > ELSEWHERE);
        let hashed = self.sent.add(name, elsewhere);
        let names = cells(&self.names.table, r.endpoint);
        let few = names::counts(names).0 < SETTLED;
        if (few || !names::knows(names, hashed)) && item.name.iter().any(is_odd_in_a_name) {
            let keys = [mix(r.service, 7), mix(r.service, 8), values];
            self.add((Place::Name, name), keys, item.name, item.name, how);
        }
        let keys = [mix(mix(r.endpoint, name), 9), in_service, values];
        self.add((item.place, name), keys, item.name, item.text, how);
    }

    fn add(
        &mut self,
        (place, id): (Place, u64),
        keys: [u64; 3],
        name: &[u8],
        text: &[u8],
        (plus, body): (bool, bool),
    ) {
        if self.items.len() == MOST {
            self.cut += 1;
            return;
        }
        let value = self.features(text, plus, body);
        let levels = keys.map(|key| cells(&self.params.table, key));
        let terms = param::terms(&levels, &value);
        self.items.push(Item {
            place,
            id,
            keys,
            value,
            terms,
            total: match place {
                Place::Header => terms.of_header(),
                _ => terms.total(),
            },
            name: name.to_vec(),
        });
    }

    fn features(&mut self, text: &[u8], plus: bool, body: bool) -> Features {
        let how = u64::from(plus) << 1 | u64::from(body);
        let id = mix(self.hasher.text(text), how + 1);
        if let Some((_, known)) = self
            .seen
            .get(id as usize >> 1 & (SEEN - 1))
            .filter(|(at, _)| *at == id)
        {
            return *known;
        }
        let value = features(text, plus, body, &self.syntax, &mut self.scratch);
        if let Some(seen) = self.seen.get_mut(id as usize >> 1 & (SEEN - 1)) {
            *seen = (id, value);
        }
        value
    }

    fn score(&self, r: &Record) -> Scored {
        let names = cells(&self.names.table, r.endpoint);
        Scored {
            item: self.items.iter().map(|item| item.total).fold(0.0, f64::max),
            names: names::said(names, &self.sent),
            attack: self
                .items
                .iter()
                .map(|item| item.value.syntax)
                .max()
                .unwrap_or_default(),
            ..Scored::default()
        }
    }

    fn judge(&self, r: &Record, scored: &mut Scored) {
        let said = &scored.names;
        scored.score = score::together(&[scored.item, scored.path, said.names, said.doubled]);
        let service = cells(&self.tails.table, mix(r.service, 10));
        scored.usual = tails::usual(cells(&self.tails.table, mix(r.endpoint, 11)), service);
        let syntax = self
            .items
            .iter()
            .map(|item| item.terms.nats[3])
            .fold(0.0, f64::max);
        let is_cold = tails::is_cold(service);
        scored.p = tails::p_value(scored.score, syntax, scored.usual, is_cold);
    }
}

fn header<'a>(name: &'a [u8], text: &'a [u8]) -> Sent<'a> {
    Sent {
        place: Place::Header,
        name,
        text,
        plus: false,
        body: false,
    }
}

fn is_odd_in_a_name(byte: &u8) -> bool {
    !(byte.is_ascii_alphanumeric() || b"_-.[]".contains(byte))
}

fn cells(table: &Table, key: u64) -> Option<&[u64]> {
    match if key == 0 { NONE } else { table.find(key) } {
        NONE => None,
        slot => Some(table.cells(slot)),
    }
}

fn entry(table: &mut Table, key: u64, (row, now): (u64, i64)) -> &mut [u64] {
    let slot = table.visit(key, NONE, row, now);
    table.parts(slot).0
}
