//! The executor: a batch is cut into pieces at whole seconds and after 512 rows; each node runs over a whole piece.

use std::ops::Range;

use super::check::check;
use super::columns::{Arenas, Data, Rows, fill};
use super::conduct::Watch;
use super::flags::Flags;
use super::keep::Loading;
use super::keyed::{Asking, Keyed, Shared};
use super::node::{Baseline, Input, Node, Place};
use super::outside::{Outer, Outside};
use super::pointwise;
use super::signal::{Answers, Signal};
use super::spec::{Error, PlanSpec};
use crate::kernels::{PIECE, Piece};
use crate::table::{Metrics, Table};

pub(super) const SECOND: i64 = 1_000_000_000;

/// What a run is to answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// Ask every node of every row, and tell scores and learning: replay and explain.
    pub all: bool,
    /// Nodes whose columns are wanted.
    pub values: &'a [usize],
}

/// All detectors of a process, with all they remember.
#[derive(Debug)]
pub struct Plan {
    pub(super) inputs: Vec<Input>,
    pub(super) nodes: Vec<Node>,
    pub(super) baselines: Vec<Baseline>,
    pub(super) watches: Vec<Watch>,
    pub(super) keyed: Keyed,
    pub(super) flags: Flags,
    places: Vec<Place>,
    arenas: Arenas,
    signals: Vec<Signal>,
    /// Stream time and its whole second; none before the first row.
    pub(super) time: i64,
    pub(super) second: Option<i64>,
    /// Rows since the plan began, and since the tables last settled.
    pub(super) row: u64,
    pub(super) settled: usize,
    times: Vec<i64>,
    late: Vec<bool>,
    learning: Vec<bool>,
    flagging: Vec<(usize, u64)>,
    pub(super) loading: Loading,
    outside: Outer,
}

impl Plan {
    /// Reads and verifies a plan.
    ///
    /// # Errors
    /// A sentence that names the node, table or signal.
    pub fn load(json: &str) -> Result<Self, Error> {
        let spec: PlanSpec =
            serde_json::from_str(json).map_err(|error| Error(format!("plan: {error}")))?;
        let checked = check(&spec)?;
        let signals = spec
            .signals
            .iter()
            .enumerate()
            .map(|(at, signal)| Signal::check(at, signal, &checked.places));
        let signals = signals.collect::<Result<Vec<_>, _>>()?;
        let tables = checked
            .shapes
            .into_iter()
            .zip(&spec.tables)
            .map(|(shape, table)| {
                Shared::new(
                    Table::new(shape.cells, shape.handles, table.bytes, table.expiry),
                    shape.key,
                    table.identity.clone(),
                    shape.sections,
                )
            });
        Ok(Self {
            keyed: Keyed::new(tables.collect(), checked.baselines.len()),
            inputs: checked.inputs,
            nodes: checked.nodes,
            baselines: checked.baselines,
            watches: checked.watches,
            flags: Flags::default(),
            places: checked.places,
            arenas: checked.arenas,
            signals,
            time: 0,
            second: None,
            row: 0,
            settled: 0,
            times: Vec::with_capacity(PIECE),
            late: Vec::with_capacity(PIECE),
            learning: vec![false; PIECE],
            flagging: Vec::new(),
            loading: Loading::default(),
            outside: Outer::default(),
        })
    }

    /// Says who answers for the nodes that are not native; without anybody their answers are missing.
    pub fn attach(&mut self, outside: Box<dyn Outside>) {
        self.outside = Outer(Some(outside));
    }

    /// The columns that rows must provide, by position.
    #[must_use]
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// Identity and counts of each table.
    pub fn tables(&self) -> impl Iterator<Item = (&str, Metrics)> {
        self.keyed
            .tables
            .iter()
            .map(|shared| (shared.identity.as_str(), shared.table.metrics()))
    }

    /// Runs the rows that come next.
    ///
    /// # Errors
    /// A wanted node does not exist.
    pub fn run(&mut self, rows: &dyn Rows, wanted: Wanted<'_>) -> Result<Answers, Error> {
        let mut answers = self.empty(wanted)?;
        let mut at = 0;
        while at < rows.len() {
            let piece = self.next_piece(rows, at);
            at = piece.end;
            self.run_piece(rows, piece, wanted, &mut answers);
        }
        answers.raised.sort_by_key(|raised| raised.row);
        Ok(answers)
    }

    /// The next row sets stream time anew.
    pub(super) fn forget_time(&mut self) {
        (self.time, self.second) = (0, None);
    }

    fn empty(&self, wanted: Wanted<'_>) -> Result<Answers, Error> {
        let empty = |&node: &usize| match self.places.get(node) {
            Some(Place::Number(_)) => Ok(Data::Number(Vec::new())),
            Some(Place::Logic(_)) => Ok(Data::Logic(Vec::new())),
            Some(Place::Id(_)) => Ok(Data::Id(Vec::new())),
            None => Err(Error(format!("plan: there is no node {node}"))),
        };
        let values = wanted.values.iter().map(empty).collect::<Result<_, _>>()?;
        let of_signals = vec![Vec::new(); self.signals.len()];
        Ok(Answers {
            values,
            scores: if wanted.all {
                of_signals.clone()
            } else {
                Vec::new()
            },
            ranks: of_signals,
            ..Answers::default()
        })
    }

    /// Moves stream time to the row, ticks if that is another second, and takes rows up to the next boundary.
    fn next_piece(&mut self, rows: &dyn Rows, start: usize) -> Range<usize> {
        self.time = self.time.max(rows.time(start));
        let second = self.time / SECOND;
        if self.second.is_some_and(|before| before != second) {
            self.tick(second * SECOND);
        } else if self.settled == PIECE {
            self.settle();
        }
        self.second = Some(second);
        let next = (second + 1).saturating_mul(SECOND);
        self.times.clear();
        self.late.clear();
        let mut end = start;
        while end < rows.len() && self.settled < PIECE {
            let time = self.time.max(rows.time(end));
            // The last second there is has no end: a row is taken all the same.
            if time >= next && end > start {
                break;
            }
            self.time = time;
            self.times.push(time);
            self.late.push(rows.late(end));
            self.settled += 1;
            end += 1;
        }
        start..end
    }

    fn run_piece(
        &mut self,
        rows: &dyn Rows,
        range: Range<usize>,
        wanted: Wanted<'_>,
        answers: &mut Answers,
    ) {
        let length = range.len();
        let piece = Piece {
            row: self.row,
            times: &self.times,
            late: &self.late,
        };
        self.learning[..length].fill(false);
        let mut asking = Asking {
            all: wanted.all,
            learning: &mut self.learning,
        };
        self.keyed.start();
        for node in &self.nodes {
            match node {
                Node::Input(column, place) => {
                    fill(rows, *column, range.clone(), &mut self.arenas, *place)
                }
                Node::Time(at) => {
                    let out = self.arenas.numbers[at.0].iter_mut();
                    out.zip(&self.times)
                        .for_each(|(out, &time)| *out = time as f64 / 1e9);
                }
                Node::Tally(tally) => self
                    .keyed
                    .tally(tally, &piece, &mut self.arenas, wanted.all),
                Node::Ask(ask) => self.keyed.ask(
                    ask,
                    &self.baselines[ask.baseline],
                    &piece,
                    &mut self.arenas,
                    &mut asking,
                ),
                Node::Trees(trees) => {
                    self.keyed
                        .trees(trees, &piece, &mut self.arenas, &mut asking, &self.flags)
                }
                Node::Outside(node) => self.keyed.outside(
                    node,
                    &piece,
                    &mut self.arenas,
                    wanted.all,
                    &self.flags,
                    &mut self.outside,
                ),
                Node::Watch(at) => {
                    self.watches[*at].run(&piece, &mut self.keyed, &self.arenas, &self.flags);
                }
                Node::Part(part) => self.keyed.part(
                    part,
                    &self.watches[part.watch],
                    &mut self.arenas,
                    length,
                    wanted.all,
                ),
                _ => pointwise::run(node, &mut self.arenas, length),
            }
        }
        self.row += length as u64;
        self.signal(range.start, length, wanted, answers);
        for (values, &node) in answers.values.iter_mut().zip(wanted.values) {
            copy(values, self.places[node], &self.arenas, length);
        }
    }

    fn signal(&mut self, first: usize, length: usize, wanted: Wanted<'_>, answers: &mut Answers) {
        for (at, signal) in self.signals.iter().enumerate() {
            signal.each_raised(&self.arenas, length, |row| {
                answers
                    .raised
                    .push(signal.raised(at, &self.arenas, row, first));
                if signal.flags() {
                    self.flagging.push((row, signal.entity(&self.arenas, row)));
                }
            });
            if let Some(scores) = answers.scores.get_mut(at) {
                signal.score(&self.arenas, length, scores);
            }
            if let Some(ranks) = answers.ranks.get_mut(at) {
                signal.rank(&self.arenas, length, ranks);
            }
        }
        if wanted.all {
            answers.learning.extend_from_slice(&self.learning[..length]);
        }
        self.flagging.sort_by_key(|&(row, _)| row);
        for (_, entity) in self.flagging.drain(..) {
            self.flags.raise(entity);
        }
    }
}

fn copy(values: &mut Data, place: Place, arenas: &Arenas, length: usize) {
    match (values, place) {
        (Data::Number(values), Place::Number(at)) => {
            values.extend_from_slice(&arenas.numbers[at.0][..length])
        }
        (Data::Logic(values), Place::Logic(at)) => {
            values.extend_from_slice(&arenas.logics[at.0][..length])
        }
        (Data::Id(values), Place::Id(at)) => values.extend_from_slice(&arenas.ids[at.0][..length]),
        _ => {}
    }
}
