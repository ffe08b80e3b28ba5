//! Who asked and in which session.

use super::memo::Memo;
use super::settled::{Settled, kept_as_table};
use crate::codec::token::scheme;
use crate::codec::{ANONYMOUS, Member, PAIRED, Record, Slice, SpanBatch};
use crate::hash::{self, Hasher};
use crate::table::NONE;
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
const CELLS: usize = 3;
/// Low bits of LAST, 65 us of a time that is asked for minutes: when it was last noted who is seen with whom, and who.
const WITH: u64 = 0xFFFF;
const WHO: u64 = 0xFF;
/// A session is noted at most once in so long, whatever changes in it, in nanoseconds; by these its notes are numbered.
const TURN: i64 = 16 * SECOND;
/// It is noted again after this long even when nothing changes.
pub(super) const NOTED: i64 = 20 * TURN;

/// What is noted of a row: eight bits of time, eight of who is seen with whom.
fn with(r: &Record) -> u64 {
    let who = hash::mix(r.principal.max(1), r.credential.max(1));
    let place = hash::mix(r.place().max(1), r.user_agent.max(1));
    let turn = r.stream.div_euclid(TURN) as u64;
    turn << 8 & WITH | hash::mix(who, place) >> 32 & WHO
}

/// Whether it is time to note `with` of a session, of which `noted` was noted last.
fn is_due(noted: u64, with: u64) -> bool {
    let turns = (with >> 8).wrapping_sub(noted >> 8) & WHO;
    turns >= (NOTED / TURN) as u64 || (turns > 0 && (with ^ noted) & WHO != 0)
}

/// When a session was last seen.
fn last(cells: &[u64]) -> i64 {
    (cells[LAST] & !WITH) as i64
}

/// Whether a scheme is written `Bearer`, one blank behind it.
fn is_usual(text: &[u8], scheme: &[u8], secret: &[u8]) -> bool {
    text.len() == scheme.len() + 1 + secret.len()
        && text.get(scheme.len()) == Some(&b' ')
        && scheme.iter().enumerate().all(|(at, byte)| {
            if at == 0 {
                !byte.is_ascii_lowercase()
            } else {
                !byte.is_ascii_uppercase()
            }
        })
}

kept_as_table!(Sessions);

/// The processor's state: open sessions.
#[derive(Debug)]
pub struct Sessions {
    settings: Settings,
    hasher: Hasher,
    kept: Settled,
    ended: Option<Vec<(usize, u64)>>,
}

impl Sessions {
    /// State with no session open.
    pub fn new(settings: Settings, hasher: Hasher) -> Self {
        let shape = ("session", CELLS, false);
        let kept = Settled::new(shape, SEGMENT, settings.bytes as u64, settings.idle);
        Self {
            settings,
            hasher,
            kept,
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
                    self.kept.settle(r.stream);
                    self.note_gone(number + at);
                    let place = place.id(
                        &self.hasher,
                        member,
                        [r.environment_text, r.namespace_text, Slice::default()],
                    );
                    r.session = self.session(r, member, place, number + at);
                    self.kept.count();
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
        self.kept.table.follow(ID);
        self.ended.replace(Vec::new()).unwrap_or_default()
    }

    fn note_gone(&mut self, row: usize) {
        if let Some(ended) = &mut self.ended {
            let gone = self.kept.table.take_gone();
            ended.extend(gone.into_iter().filter(|id| *id != 0).map(|id| (row, id)));
        }
    }

    fn identify(&self, r: &mut Record, member: &Member) {
        r.credential = self.credential(member.text(r.credential_text));
        let user = self.hasher.some(member.text(r.principal_text));
        let claim = self.hasher.some(member.text(r.claim_text));
        let presented = if claim == 0 { r.credential } else { claim };
        r.principal = match user {
            // What was refused says nothing of who presented it.
            0 if r.status == 401.0 => 0,
            0 => presented,
            user => user,
        };
        r.authenticated = if r.principal == 0 { -1 } else { 1 };
    }

    /// One id for `Bearer x` and `bearer  x`: schemes are the same in any case.
    fn credential(&self, text: &[u8]) -> u64 {
        match scheme(text) {
            Some((word, secret)) if !is_usual(text, word, secret) => {
                let mut usual = word.to_ascii_lowercase();
                if let Some(first) = usual.first_mut() {
                    first.make_ascii_uppercase();
                }
                self.hasher.text(&[&usual, &b" "[..], secret].concat())
            }
            _ => self.hasher.some(text),
        }
    }

    fn session(&mut self, r: &mut Record, member: &Member, place: u64, row: usize) -> u64 {
        let mut order = self.settings.order.iter();
        let found = order.find_map(|&source| Some((source, self.key(source, r, member)?)));
        let Some((source, owner)) = found else {
            return 0;
        };
        if matches!(source, Source::Client) {
            r.marks |= ANONYMOUS;
        }
        let key = hash::mix(place, owner);
        let known = self.known(key, r);
        if r.late == 1 {
            return known.unwrap_or(0);
        }
        let id = known.unwrap_or_else(|| self.id(key, r.time));
        let number = self.kept.row();
        let table = &mut self.kept.table;
        let slot = table.visit(key, NONE, number, r.stream);
        let (cells, _) = table.parts(slot);
        if known.is_none() {
            let before = cells[ID];
            if let Some(ended) = self.ended.as_mut().filter(|_| before != 0) {
                ended.push((row, before));
            }
            cells[FIRST] = r.time as u64;
            cells[LAST] = 0;
            cells[ID] = id;
        }
        let (last, with, noted) = (last(cells).max(r.time), with(r), cells[LAST] & WITH);
        let due = known.is_none() || is_due(noted, with);
        if due {
            r.marks |= PAIRED;
        }
        cells[LAST] = last as u64 & !WITH | if due { with } else { noted };
        id
    }

    /// The open session of a key, unless it ended before this row.
    fn known(&self, key: u64, r: &Record) -> Option<u64> {
        let slot = self.kept.table.find(key);
        if slot == NONE {
            return None;
        }
        let cells = self.kept.table.cells(slot);
        let idle = r.time - last(cells) > self.settings.idle;
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
            Source::Client => (3, hash::mix(r.place(), r.user_agent.max(1))),
        };
        (value != 0).then(|| hash::mix(kind, value))
    }

    /// What the table tells of itself.
    pub fn metrics(&self) -> crate::table::Metrics {
        self.kept.table.metrics()
    }

    /// Forgets all open sessions: a file that begins in the past of the one before. They are not told as ended.
    pub fn restart(&mut self) {
        self.kept.restart();
        self.kept.table.take_gone();
    }
}
