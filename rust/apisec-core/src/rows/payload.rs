//! What a request says beside what requests to the same place say: a calibrated p-value for each, without labels.
//!
//! The payload model in its lean variant: each value is held against those of its parameter, its path against the tree of
//! the service's paths, its names against those of the endpoint. Scores are nats, and only what is unusual counts once:
//! the worst item, and half of the rest. It answers first and learns at the next second; what is odd teaches little.

mod items;
mod keep;
mod lanes;
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

use crate::codec::{MERGED, Member, Reason, Record, SpanBatch};
use crate::hash::{Hasher, mix};
use crate::rows::settled::Settled;
use crate::table::{Metrics, NONE, Table};
use crate::text::{Features, Scratch, Syntax, features};
use items::{MOST, Place, Sent};
use names::Names;
use param::Terms;
use paths::{Segment, Step};

const SECOND: i64 = 1_000_000_000;
/// Syntax from here on never teaches.
const ATTACK: u8 = 8;
/// A request is odd below this probability, and an item of it from so many nats over what is usual.
const ODD: f64 = 0.02;
const ODD_ITEM: f64 = 1.8;
/// A parameter that the service has so often elsewhere is less new.
const ELSEWHERE: u32 = 5;
/// Names so often seen need no look at their own text.
const NAMED: u32 = 20;
/// Reasons are kept below this probability.
const TOLD: f64 = 0.05;
/// Requests that teach in one second at most.
const LESSONS: usize = 1 << 13;
/// What is learned is forgotten when nobody asks for so long.
const EXPIRY: i64 = 30 * 24 * 3_600 * SECOND;
const SEGMENT: u64 = 512;
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

/// What a request teaches at the next second.
#[derive(Debug)]
struct Lesson {
    service: u64,
    endpoint: u64,
    score: f64,
    /// The request was odd, and whether it may teach all the same.
    odd: bool,
    admitted: bool,
    /// Nothing but the scores is learned of it: it reads as an attack.
    attack: bool,
    odd_path: bool,
    odd_names: bool,
    items: Vec<(bool, [u64; 3], Features)>,
    steps: Vec<Step>,
    names: Names,
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
    params: Settled,
    paths: Settled,
    names: Settled,
    tails: Settled,
    lessons: Vec<Lesson>,
    second: i64,
    /// Seconds learned.
    learned: u64,
    items: Vec<Item>,
    sent: Names,
    /// Requests that did not teach, for too many came in a second.
    pub untaught: u64,
    /// Requests of which some items were not looked at.
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
            params: table("parameters", param::CELLS, SHARES[0]),
            paths: table("paths", paths::CELLS, SHARES[1]),
            names: table("names", names::CELLS, SHARES[2]),
            tails: table("scores", tails::CELLS, SHARES[3]),
            lessons: Vec::new(),
            second: 0,
            learned: 0,
            items: Vec::new(),
            sent: Names::default(),
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
        let (mut steps, mut values) = (Vec::new(), Vec::new());
        let walked = (&mut steps, &mut values);
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
            self.note(r, &scored, steps);
        }
        (scored.p < TOLD).then(|| self.reason(r, &scored))
    }

    /// Looks at the items of a request.
    fn collect(&mut self, r: &Record, member: &Member, values: &[Segment<'_>]) {
        self.items.clear();
        self.sent.clear();
        for segment in values {
            let base = mix(segment.node, 1);
            let keys = [base, mix(r.service, 2), mix(r.service, 3)];
            self.add(Place::Segment, keys, b"", segment.text, (false, false));
        }
        let mut sent = Vec::new();
        items::form(member.text(r.query_text), false, &mut |item| {
            sent.push(item)
        });
        for item in sent {
            self.take(r, &item);
        }
        let attributes = std::mem::take(&mut self.attributes);
        items::attributes(&attributes, member, r, &mut |item| self.take(r, &item));
        self.attributes = attributes;
        let agent = member.text(r.agent_text);
        if !agent.is_empty() {
            self.take(r, &header(b"user-agent", agent));
        }
    }

    fn take(&mut self, r: &Record, item: &Sent<'_>) {
        let name = self.hasher.text(item.name);
        let values = mix(r.service, 4);
        let in_service = mix(mix(r.service, name), 5);
        let how = (item.plus, item.body);
        if item.place == Place::Header {
            let keys = [mix(mix(r.service, name), 6), in_service, values];
            return self.add(item.place, keys, item.name, item.text, how);
        }
        let elsewhere = cells(&self.params.table, in_service);
        let elsewhere = elsewhere.is_some_and(|cells| param::counts(cells).0 > ELSEWHERE);
        let hashed = self.sent.add(name, elsewhere);
        let names = cells(&self.names.table, r.endpoint);
        let few = names::counts(names).0 < NAMED;
        if (few || !names::knows(names, hashed)) && item.name.iter().any(is_odd_in_a_name) {
            let keys = [mix(r.service, 7), mix(r.service, 8), values];
            self.add(Place::Name, keys, item.name, item.name, how);
        }
        let keys = [mix(mix(r.endpoint, name), 9), in_service, values];
        self.add(item.place, keys, item.name, item.text, how);
    }

    fn add(
        &mut self,
        place: Place,
        keys: [u64; 3],
        name: &[u8],
        text: &[u8],
        (plus, body): (bool, bool),
    ) {
        if self.items.len() == MOST {
            self.cut += 1;
            return;
        }
        let value = features(text, plus, body, &self.syntax, &mut self.scratch);
        let levels = keys.map(|key| cells(&self.params.table, key));
        let terms = param::terms(&levels, &value);
        self.items.push(Item {
            place,
            id: self.hasher.text(name),
            keys,
            value,
            terms,
            total: terms.total(),
            name: name.to_vec(),
        });
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

    /// Decides what a request may teach, and keeps it for the next second.
    fn note(&mut self, r: &Record, scored: &Scored, steps: Vec<Step>) {
        let (row, key) = (self.tails.row(), mix(r.service, 10));
        let known = self.tails.table.find(key);
        let slot = self.tails.table.visit(key, known, row, r.stream);
        let service = self.tails.table.parts(slot).0;
        if known == NONE {
            tails::begin(service);
        }
        tails::version(service, r.version);
        let attack = scored.attack >= ATTACK;
        let warm = tails::counts(Some(service)).0 >= tails::WARM;
        let odd = attack || warm && scored.p < ODD;
        let teacher = [r.principal, r.session, r.client];
        let teacher = teacher.into_iter().find(|id| *id != 0).unwrap_or_default();
        let admitted = odd && !attack && tails::spend(service, teacher);
        if !odd {
            tails::earn(service);
        }
        if self.lessons.len() == LESSONS {
            self.untaught += 1;
            return;
        }
        let over = |nats: f64| odd && nats >= scored.usual + ODD_ITEM;
        let odd_path = over(scored.path);
        let items = self.items.iter().filter(|item| item.value.syntax < ATTACK);
        self.lessons.push(Lesson {
            service: key,
            endpoint: r.endpoint,
            score: scored.score,
            odd,
            admitted,
            attack,
            odd_path,
            odd_names: odd_path || over(scored.names.names),
            items: items
                .map(|item| (over(item.total), item.keys, item.value))
                .collect(),
            steps,
            names: std::mem::take(&mut self.sent),
        });
    }

    fn learn(&mut self, second: i64) {
        let now = second.saturating_mul(SECOND);
        self.learned += 1;
        for lesson in std::mem::take(&mut self.lessons) {
            self.teach(&lesson, now);
        }
    }

    fn teach(&mut self, lesson: &Lesson, now: i64) {
        if !lesson.odd || lesson.admitted {
            let at = (self.tails.row(), now);
            let service = entry(&mut self.tails.table, lesson.service, at);
            tails::teach(service, lesson.score, lesson.odd, true);
            let endpoint = entry(&mut self.tails.table, mix(lesson.endpoint, 11), at);
            tails::teach(endpoint, lesson.score, lesson.odd, false);
        }
        let at = (self.params.row(), now);
        for (odd, keys, value) in &lesson.items {
            for &key in keys {
                let table = &mut self.params.table;
                if !odd || lesson.admitted && admit(table, key, at) {
                    param::teach(entry(table, key, at), value);
                }
            }
        }
        if lesson.attack {
            return;
        }
        let at = (self.paths.row(), now);
        paths::teach(
            &mut self.paths.table,
            &lesson.steps,
            lesson.odd_path,
            lesson.admitted,
            at,
        );
        let at = (self.names.row(), now);
        let table = &mut self.names.table;
        if !lesson.odd_names || lesson.admitted && admit(table, lesson.endpoint, at) {
            names::teach(entry(table, lesson.endpoint, at), &lesson.names);
        }
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

/// Whether a key has room for an odd lesson: two, and one in 500.
fn admit(table: &mut Table, key: u64, at: (u64, i64)) -> bool {
    let cells = entry(table, key, at);
    let (n, odd) = lanes::pair(cells[0]);
    let room = f64::from(odd) < 2.0 + 0.002 * f64::from(n);
    if room {
        cells[0] = lanes::cell(n, odd + 1);
    }
    room
}
