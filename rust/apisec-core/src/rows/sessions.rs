//! Who asked and in which session.

use crate::codec::{Member, Record, SpanBatch};
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
        }
    }

    /// Fills credential, principal, authenticated and session of each request.
    pub fn process(&mut self, batch: &mut SpanBatch) {
        for member in batch.members_mut() {
            let mut rows = std::mem::take(&mut member.rows);
            for r in rows.iter_mut().filter(|r| r.is_new_request()) {
                self.identify(r, member);
                self.settle(r.stream);
                r.session = self.session(r, member);
                self.rows += 1;
            }
            member.rows = rows;
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

    fn session(&mut self, r: &Record, member: &Member) -> u64 {
        let Some(owner) = self
            .settings
            .order
            .iter()
            .find_map(|source| self.key(*source, r, member))
        else {
            return 0;
        };
        let place = self.hasher.texts(&[
            member.text(r.environment_text),
            member.text(r.namespace_text),
        ]);
        let key = hash::mix(place, owner);
        if r.late == 1 {
            return self.known(key, r).unwrap_or_else(|| self.id(key, r.time));
        }
        let known = self.known(key, r);
        let id = known.unwrap_or_else(|| self.id(key, r.time));
        let slot = self
            .table
            .visit(key, crate::table::NONE, self.rows, r.stream);
        let (cells, _) = self.table.parts(slot);
        if known.is_none() {
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

    /// Forgets all open sessions: a file that begins in the past of the one before.
    pub fn restart(&mut self) {
        let settings = self.settings.clone();
        *self = Self::new(settings, self.hasher.clone());
    }
}
