//! Who asked and in which session.

mod keep;

use super::memo::Memo;
use crate::codec::{Member, Record, Slice, SpanBatch};
use crate::hash::{self, Hasher};
use crate::table::Table;
use serde::Deserialize;

/// What the processor `sessions` hands over at start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A session ends after this long without a request, in nanoseconds.
    pub idle: i64,
    /// and after this long in any case, in nanoseconds.
    pub longest: i64,
    /// The sources of the session's key, first present wins: `session`, `principal`, `client`.
    pub order: Vec<Source>,
    /// Cap of the table, in bytes.
    pub bytes: usize,
}

/// Where a session's key comes from.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The application's own session id.
    Session,
    /// The principal.
    Principal,
    /// The client address with the user agent.
    Client,
}

/// Rows between two settlings of the table; the same rule as the plan's.
const SEGMENT: u64 = 512;
const SECOND: i64 = 1_000_000_000;

const FIRST: usize = 0;
const LAST: usize = 1;
const ID: usize = 2;

/// The processor's state: open sessions.
#[derive(Debug)]
pub struct Sessions {
    settings: Settings,
    hasher: Hasher,
    table: Table,
    rows: u64,
    settled: (u64, i64),
    ended: Option<Vec<(usize, u64)>>,
}

impl Sessions {
    /// State with no session open.
    pub fn new(settings: Settings, hasher: Hasher) -> Self {
        let table = Table::new(3, Vec::new(), settings.bytes as u64, settings.idle);
        Self {
            settings,
            hasher,
            table,
            rows: 0,
            settled: (0, 0),
            ended: None,
        }
    }

    /// Fills credential, principal, authenticated and session of each request.
    pub fn process(&mut self, batch: &mut SpanBatch) {
        let mut number = 0;
        for member in batch.members_mut() {
            let mut rows = std::mem::take(&mut member.rows);
            let mut place = Memo::default();
            for (at, r) in rows.iter_mut().enumerate() {
                if r.is_new_request() {
                    self.identify(r, member);
                    self.settle(r.stream);
                    self.note_gone(number + at);
                    let place = place.id(
                        &self.hasher,
                        member,
                        [r.environment_text, r.namespace_text, Slice::default()],
                    );
                    r.session = self.session(r, member, place, number + at);
                    self.rows += 1;
                }
            }
            number += rows.len();
            member.rows = rows;
        }
    }

    /// Sessions that have ended since this was last called, each with the row of its batch before which it did.
    ///
    /// Only from the first call on, for nobody else would ever empty the list.
    pub fn ended(&mut self) -> Vec<(usize, u64)> {
        self.table.follow(ID);
        self.ended.replace(Vec::new()).unwrap_or_default()
    }

    fn note_gone(&mut self, row: usize) {
        if let Some(ended) = &mut self.ended {
            let gone = self.table.take_gone();
            ended.extend(gone.into_iter().filter(|id| *id != 0).map(|id| (row, id)));
        }
    }

    fn identify(&self, r: &mut Record, member: &Member) {
        let credential = member.text(r.credential_text).trim_ascii();
        r.credential = if credential.is_empty() {
            0
        } else {
            self.hasher.text(credential)
        };
        let user = member.text(r.principal_text);
        let trusted = if r.status == 401.0 { 0 } else { r.credential };
        r.principal = if user.is_empty() {
            trusted
        } else {
            self.hasher.text(user)
        };
        r.authenticated = if r.principal == 0 { -1 } else { 1 };
    }

    fn settle(&mut self, stream: i64) {
        let second = stream.div_euclid(SECOND);
        if second != self.settled.1 {
            self.table.settle();
            self.table.expire(second * SECOND);
        } else if self.rows - self.settled.0 >= SEGMENT {
            self.table.settle();
        } else {
            return;
        }
        self.settled = (self.rows, second);
    }

    fn session(&mut self, r: &Record, member: &Member, place: u64, row: usize) -> u64 {
        let Some(owner) = self
            .settings
            .order
            .iter()
            .find_map(|source| self.key(*source, r, member))
        else {
            return 0;
        };
        let key = hash::mix(place, owner);
        let known = self.known(key, r);
        if r.late == 1 {
            return known.unwrap_or(0);
        }
        let id = known.unwrap_or_else(|| self.id(key, r.time));
        let slot = self
            .table
            .visit(key, crate::table::NONE, self.rows, r.stream);
        let (cells, _) = self.table.parts(slot);
        if known.is_none() {
            let before = cells[ID];
            if let Some(ended) = self.ended.as_mut().filter(|_| before != 0) {
                ended.push((row, before));
            }
            cells[FIRST] = r.time as u64;
            cells[LAST] = r.time as u64;
            cells[ID] = id;
        }
        cells[LAST] = cells[LAST].max(r.time as u64);
        id
    }

    /// The open session of a key, unless it ended before this row.
    fn known(&self, key: u64, r: &Record) -> Option<u64> {
        let slot = self.table.find(key);
        if slot == crate::table::NONE {
            return None;
        }
        let cells = self.table.cells(slot);
        let idle = r.time - cells[LAST] as i64 > self.settings.idle;
        let long = r.time - cells[FIRST] as i64 > self.settings.longest;
        (cells[ID] != 0 && !idle && !long).then_some(cells[ID])
    }

    fn id(&self, key: u64, time: i64) -> u64 {
        hash::mix(key, self.hasher.text(&time.to_le_bytes()))
    }

    /// The key by one source; each source has keys of its own, so that a user called as an address is nobody else.
    fn key(&self, source: Source, r: &Record, member: &Member) -> Option<u64> {
        let (kind, value) = match source {
            Source::Session => (1, self.hasher.some(member.text(r.session_text))),
            Source::Principal => (2, r.principal),
            Source::Client => (
                3,
                if r.client == 0 {
                    0
                } else {
                    hash::mix(r.client, r.user_agent.max(1))
                },
            ),
        };
        (value != 0).then(|| hash::mix(kind, value))
    }

    /// What the table tells of itself.
    pub fn metrics(&self) -> crate::table::Metrics {
        self.table.metrics()
    }

    /// Forgets all open sessions: a file that begins in the past of the one before. They are not told as ended.
    pub fn restart(&mut self) {
        self.table.clear();
        self.table.take_gone();
        self.settled = (self.rows, 0);
    }
}
