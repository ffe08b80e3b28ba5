//! The node that watches how sessions go about: a table of sessions, one of what is usual, and votes that wait for the next second.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::columns::Arenas;
use super::flags::Flags;
use super::keyed::Keyed;
use super::node::{Asked, IdAt, LogicAt, NumberAt};
use super::outside::Remembered;
use crate::hash::{IdMap, mix};
use crate::kernels::conduct::judge::Norms;
use crate::kernels::conduct::person::{CELLS, Person, TAUGHT};
use crate::kernels::conduct::population::{self, POPULATION};
use crate::kernels::conduct::{self, About, Endpoint, Known, Request, SILENCE, Vote, close, step};
use crate::kernels::{PIECE, Piece};
use crate::table::{NONE, Table};

/// Cells of what is usual: handle of a population's words, then sum and number of votes on an endpoint, by what they are about.
pub const USUAL_CELLS: usize = 6;
/// Votes of one second at most; there are more seconds.
const VOTES: usize = 1 << 13;
/// Votes count half once there are so many.
const MANY: f32 = 60_000.0;
/// Populations whose norms are worked out already.
const NORMS: usize = 256;
/// Tells a population from an endpoint.
const POPULATIONS: u64 = 0x706F_7075_6C61_7465;

/// What it reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reads {
    pub ids: [IdAt; 6],
    pub logics: [LogicAt; 4],
    pub remembered_by: IdAt,
    pub taught_by: IdAt,
    pub counted: LogicAt,
}

/// One answer of a watch.
#[derive(Debug)]
pub struct Part {
    pub watch: usize,
    pub part: conduct::Part,
    pub asked: Asked,
    pub out: NumberAt,
}

/// Sessions and what is usual.
#[derive(Debug)]
pub struct Watch {
    pub reads: Reads,
    pub sessions: (usize, usize),
    pub usual: (usize, usize),
    votes: Vec<Vote>,
    due: BinaryHeap<Reverse<(i64, u64)>>,
    norms: IdMap<u64, Box<Norms>>,
    /// Each row's population and its session as of it; what was not counted has no population.
    people: Vec<Option<(u64, Person)>>,
    marks: Vec<bool>,
}

impl Watch {
    pub fn new(reads: Reads, sessions: (usize, usize), usual: (usize, usize)) -> Self {
        Self {
            reads,
            sessions,
            usual,
            votes: Vec::new(),
            due: BinaryHeap::new(),
            norms: IdMap::default(),
            people: vec![None; PIECE],
            marks: vec![false; PIECE],
        }
    }

    /// Counts a piece, and keeps each row's session for the parts that stand behind.
    pub fn run(&mut self, piece: &Piece<'_>, keyed: &mut Keyed, arenas: &Arenas, flags: &Flags) {
        let length = piece.times.len();
        let by = self.reads.remembered_by;
        let remembered = Remembered {
            by,
            taught_by: None,
            counted: self.reads.counted,
        };
        remembered.mark(piece, arenas, flags, &mut self.marks[..length]);
        if self.norms.len() > NORMS {
            self.norms.clear();
        }
        keyed.find(self.sessions.0, arenas, length);
        keyed.find(self.usual.0, arenas, length);
        for at in 0..length {
            self.people[at] = None;
            let request = self.request(piece, arenas, flags, at);
            if self.marks[at] && request.path != 0 {
                self.row(piece, keyed, &request, arenas.ids[by.0][at], at);
            }
        }
    }

    fn request(&self, piece: &Piece<'_>, arenas: &Arenas, flags: &Flags, at: usize) -> Request {
        let [path, parent, stem, shape, endpoint, among] =
            self.reads.ids.map(|column| arenas.ids[column.0][at]);
        let [refused, asset, automatic, nested] = self
            .reads
            .logics
            .map(|column| arenas.logics[column.0][at] > 0);
        let teacher = arenas.ids[self.reads.taught_by.0][at];
        Request {
            time: piece.times[at],
            path: if path == 0 { endpoint } else { path },
            parent,
            stem: if stem == 0 { path } else { stem },
            shape,
            endpoint,
            among,
            refused,
            asset,
            automatic,
            nested,
            tainted: flags.holds(teacher, piece.times[at]),
        }
    }

    fn row(&mut self, piece: &Piece<'_>, keyed: &mut Keyed, r: &Request, key: u64, at: usize) {
        let (sessions, slot) = keyed.entry(self.sessions.0, at);
        // Who comes when so many wait never teaches.
        let room = sessions.room();
        *slot = sessions.visit(key, *slot, piece.row + at as u64, r.time);
        let (slot, cells) = (*slot, self.sessions.1..self.sessions.1 + CELLS);
        let mut person = Person::read(&sessions.cells(slot)[cells.clone()]);
        if person.last == 0 && self.due.len() < room {
            self.due
                .push(Reverse((r.time.saturating_add(SILENCE), key)));
        }
        let usual = &keyed.tables[self.usual.0];
        let (endpoint, page) = (usual.slot(at), usual.table.find(person.page));
        let table = &usual.table;
        let words = self.words(table, r.among);
        let norms = self
            .norms
            .entry(r.among)
            .or_insert_with(|| Box::new(Norms::of(words)));
        let known = Known {
            endpoint: votes_on(table, endpoint, self.usual.1),
            page: votes_on(table, page, self.usual.1),
            waits: population::votes(words, false),
            loads: population::votes(words, true),
            norms,
        };
        let votes = &mut self.votes;
        step(&mut person, r, &known, |vote| {
            if votes.len() < VOTES {
                votes.push(vote);
            }
        });
        self.people[at] = Some((r.among, person));
        let (all, _) = keyed.tables[self.sessions.0].table.parts(slot);
        person.write(&mut all[cells]);
    }

    fn words<'a>(&self, table: &'a Table, among: u64) -> &'a [u64] {
        match table.find(mix(among, POPULATIONS)) {
            NONE => &[],
            slot => table.spill().list(table.cells(slot)[self.usual.1]),
        }
    }

    /// Answers the rows that ask.
    pub fn answer(&self, part: conduct::Part, asked: &[bool], out: &mut [f64]) {
        for ((out, known), &asked) in out.iter_mut().zip(&self.people).zip(asked) {
            let known = known.as_ref().filter(|_| asked);
            let known = known.and_then(|(among, person)| Some((person, self.norms.get(among)?)));
            *out = known.map_or(f64::NAN, |(person, norms)| {
                conduct::answer(person, norms, part)
            });
        }
    }

    /// Votes take effect; sessions that were silent for long enough teach.
    pub fn tick(&mut self, now: i64, keyed: &mut Keyed, flags: &Flags, row: u64) {
        let votes = std::mem::take(&mut self.votes);
        let taught = !votes.is_empty();
        for vote in &votes {
            self.count(vote, now, &mut keyed.tables[self.usual.0].table, row);
        }
        self.votes = votes;
        self.votes.clear();
        let closed = self.close(now, keyed, flags, row);
        if taught || closed {
            self.norms.clear();
        }
    }

    fn count(&self, vote: &Vote, now: i64, table: &mut Table, row: u64) {
        let slot = table.visit(vote.endpoint, NONE, row, now);
        let (cells, _) = table.parts(slot);
        if let Some(word) = cells.get_mut(self.usual.1 + 1 + vote.about as usize) {
            let (sum, votes) = pair(*word);
            let share = if votes < MANY { 1.0 } else { 0.5 };
            *word = word_of(share * (sum + vote.value), share * (votes + 1.0));
        }
        if matches!(vote.about, About::Wait | About::Load) {
            let loads = vote.about == About::Load;
            self.teach(table, vote.among, (now, row), |words| {
                population::vote(words, loads, f64::from(vote.value));
            });
        }
    }

    /// Changes a population's words, made now unless they are there.
    fn teach(
        &self,
        table: &mut Table,
        among: u64,
        (now, row): (i64, u64),
        change: impl FnOnce(&mut [u64]),
    ) {
        let key = mix(among, POPULATIONS);
        if key == 0 {
            return;
        }
        let slot = table.visit(key, NONE, row, now);
        let (cells, spill) = table.parts(slot);
        let handle = &mut cells[self.usual.1];
        if spill.list(*handle).len() < POPULATION {
            spill.insert(handle, 0, &[0; POPULATION]);
        }
        change(spill.list_mut(*handle));
        table.charge(slot);
    }

    fn close(&mut self, now: i64, keyed: &mut Keyed, flags: &Flags, row: u64) -> bool {
        let mut any = false;
        while let Some(&Reverse((due, key))) = self.due.peek() {
            if due > now {
                break;
            }
            self.due.pop();
            let slot = keyed.tables[self.sessions.0].table.find(key);
            if slot == NONE {
                continue;
            }
            let cells = self.sessions.1..self.sessions.1 + CELLS;
            let mut person =
                Person::read(&keyed.tables[self.sessions.0].table.cells(slot)[cells.clone()]);
            let silent = (person.last - 1).saturating_add(SILENCE);
            if silent > now {
                self.due.push(Reverse((silent, key)));
                continue;
            }
            if person.has(TAUGHT) || flags.holds(key, due) {
                continue;
            }
            let mut votes = std::mem::take(&mut self.votes);
            self.teach(
                &mut keyed.tables[self.usual.0].table,
                person.among,
                (due, row),
                |words| {
                    close(&mut person, words, |vote| votes.push(vote));
                },
            );
            self.votes = votes;
            let (all, _) = keyed.tables[self.sessions.0].table.parts(slot);
            person.write(&mut all[cells]);
            any = true;
        }
        any
    }

    /// Ends a recording: who has not taught yet does now.
    pub fn end(&mut self, keyed: &mut Keyed, flags: &Flags, row: u64) {
        let last = self
            .due
            .iter()
            .map(|Reverse((due, _))| *due)
            .max()
            .unwrap_or_default();
        // Twice: who teaches in the first votes, and votes take effect in the next.
        self.tick(last.saturating_add(SILENCE), keyed, flags, row);
        self.tick(last.saturating_add(SILENCE), keyed, flags, row);
        self.due.clear();
    }

    /// After a restart: the sessions that are known wait to teach.
    pub fn restored(&mut self, table: &Table) {
        self.due.clear();
        for slot in table.slots() {
            let person = Person::read(&table.cells(slot)[self.sessions.1..self.sessions.1 + CELLS]);
            if person.last != 0 && !person.has(TAUGHT) && self.due.len() < table.room() {
                self.due.push(Reverse((
                    (person.last - 1).saturating_add(SILENCE),
                    table.key(slot),
                )));
            }
        }
    }
}

fn pair(word: u64) -> (f32, f32) {
    (
        f32::from_bits(word as u32),
        f32::from_bits((word >> 32) as u32),
    )
}

fn word_of(sum: f32, votes: f32) -> u64 {
    u64::from(votes.to_bits()) << 32 | u64::from(sum.to_bits())
}

fn votes_on(table: &Table, slot: u32, cell: usize) -> Endpoint {
    if slot == NONE {
        return Endpoint::default();
    }
    let words = &table.cells(slot)[cell + 1..cell + USUAL_CELLS];
    let mut votes = Endpoint::default();
    for (vote, &word) in votes.0.iter_mut().zip(words) {
        let (sum, number) = pair(word);
        *vote = (f64::from(sum), f64::from(number));
    }
    votes
}
