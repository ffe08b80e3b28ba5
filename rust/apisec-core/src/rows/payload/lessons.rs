//! What requests teach, from one second to the next (payload model, 2.5).

use std::ops::Range;

use super::names::{self, Names};
use super::paths::{self, Step};
use super::{Payload, Scored, entry, lanes, param, tails};
use crate::codec::Record;
use crate::hash::mix;
use crate::table::{NONE, Table};
use crate::text::Features;

const SECOND: i64 = 1_000_000_000;
/// Syntax from here on never teaches.
const ATTACK: u8 = 8;
/// A request is odd below this probability, and an item of it from so many nats over what is usual.
const ODD: f64 = 0.02;
const ODD_ITEM: f64 = 1.8;
/// Requests that teach in one second at most.
const MOST: usize = 1 << 13;

/// One value: whether it is odd, of which keys, and what it looks like.
pub type Value = (bool, [u64; 3], Features);

/// What one request teaches: its scores, and stretches of what all teach.
#[derive(Debug)]
pub struct Lesson {
    pub service: u64,
    pub endpoint: u64,
    pub score: f64,
    /// The request was odd, and whether it may teach all the same.
    pub odd: bool,
    pub admitted: bool,
    /// Nothing but the scores is learned of it: it reads as an attack.
    pub attack: bool,
    pub odd_path: bool,
    pub odd_names: bool,
    pub doubled: bool,
    /// Of its set of names.
    pub set: u64,
    pub values: Range<usize>,
    pub steps: Range<usize>,
    pub names: Range<usize>,
}

/// What waits for the next second.
#[derive(Debug, Default)]
pub struct Lessons {
    pub list: Vec<Lesson>,
    pub values: Vec<Value>,
    pub steps: Vec<Step>,
    pub names: Vec<u16>,
}

impl Lessons {
    fn clear(&mut self) {
        self.list.clear();
        self.values.clear();
        self.steps.clear();
        self.names.clear();
    }
}

/// Adds to a list, and says where it lies there.
pub fn added<T>(to: &mut Vec<T>, more: impl Iterator<Item = T>) -> Range<usize> {
    let start = to.len();
    to.extend(more);
    start..to.len()
}

impl Payload {
    /// Decides what the request in hand may teach, and keeps it for the next second.
    pub(super) fn note(&mut self, r: &Record, scored: &Scored) {
        let key = mix(r.service, 10);
        let attack = scored.attack >= ATTACK;
        let (odd, admitted) = self.gate(r, key, scored.p, attack);
        if self.lessons.list.len() == MOST {
            self.untaught += 1;
            return;
        }
        let over = |nats: f64| odd && nats >= scored.usual + ODD_ITEM;
        let odd_path = over(scored.path);
        let items = self.items.iter().filter(|item| item.value.syntax < ATTACK);
        let values = items.map(|item| (over(item.total), item.keys, item.value));
        let values = added(&mut self.lessons.values, values);
        self.lessons.list.push(Lesson {
            service: key,
            endpoint: r.endpoint,
            score: scored.score,
            odd,
            admitted,
            attack,
            odd_path,
            odd_names: odd_path || over(scored.names.names),
            doubled: self.sent.doubled,
            set: self.sent.set,
            values,
            steps: added(&mut self.lessons.steps, self.steps.iter().copied()),
            names: added(&mut self.lessons.names, self.sent.names.iter().copied()),
        });
    }

    /// Whether a request is odd, and whether it may teach all the same; counts it for its service.
    fn gate(&mut self, r: &Record, key: u64, p: f64, attack: bool) -> (bool, bool) {
        let known = self.tails.table.find(key);
        let slot = self
            .tails
            .table
            .visit(key, known, self.tails.row(), r.stream);
        let service = self.tails.table.parts(slot).0;
        if known == NONE {
            tails::begin(service);
        }
        tails::version(service, r.version);
        let odd = attack || p < ODD && !tails::is_cold(Some(service));
        if !odd {
            tails::earn(service);
        }
        let teacher = [r.principal, r.session, r.client];
        let teacher = teacher.into_iter().find(|id| *id != 0);
        let admitted = odd && !attack && tails::spend(service, teacher.unwrap_or_default());
        (odd, admitted)
    }

    /// Learns what was taught before this second.
    pub(super) fn learn(&mut self, second: i64) {
        let now = second.saturating_mul(SECOND);
        self.learned += 1;
        let mut lessons = std::mem::take(&mut self.lessons);
        for lesson in &lessons.list {
            self.teach(lesson, &lessons, now);
        }
        lessons.clear();
        self.lessons = lessons;
    }

    fn teach(&mut self, lesson: &Lesson, all: &Lessons, now: i64) {
        if !lesson.odd || lesson.admitted {
            let at = (self.tails.row(), now);
            let service = entry(&mut self.tails.table, lesson.service, at);
            tails::teach(service, lesson.score, lesson.odd, true);
            let endpoint = entry(&mut self.tails.table, mix(lesson.endpoint, 11), at);
            tails::teach(endpoint, lesson.score, lesson.odd, false);
        }
        let (at, table) = ((self.params.row(), now), &mut self.params.table);
        for (odd, keys, value) in all.values.get(lesson.values.clone()).unwrap_or_default() {
            for &key in keys {
                if !odd || lesson.admitted && admit(table, key, at) {
                    param::teach(entry(table, key, at), value);
                }
            }
        }
        if !lesson.attack {
            self.teach_places(lesson, all, now);
        }
    }

    fn teach_places(&mut self, lesson: &Lesson, all: &Lessons, now: i64) {
        let (at, table) = ((self.paths.row(), now), &mut self.paths.table);
        let steps = all.steps.get(lesson.steps.clone()).unwrap_or_default();
        paths::teach(table, steps, lesson.odd_path, lesson.admitted, at);
        let (at, table) = ((self.names.row(), now), &mut self.names.table);
        if !lesson.odd_names || lesson.admitted && admit(table, lesson.endpoint, at) {
            let sent = all.names.get(lesson.names.clone()).unwrap_or_default();
            let set = Names::set_of(lesson.set);
            names::teach(entry(table, lesson.endpoint, at), sent, set, lesson.doubled);
        }
    }
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
