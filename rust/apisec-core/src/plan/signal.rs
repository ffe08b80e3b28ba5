//! Signals: which rows are raised, how strongly, with what evidence.

use super::columns::{Arenas, Data};
use super::node::{IdAt, LogicAt, NumberAt, Place};
use super::spec::{Error, SignalSpec};

const CRITICAL: f64 = 4.0;

/// A row that a signal raised.
#[derive(Clone, Debug, PartialEq)]
pub struct Raised {
    /// Row of the run.
    pub row: usize,
    /// Position of the signal in the plan.
    pub signal: usize,
    /// How likely that is without an attack.
    pub p: f64,
    /// 0 info to 4 critical.
    pub severity: u8,
    /// Whom it is about.
    pub entity: u64,
    /// Observed and expected, NaN for not known, in the order of the signal's evidence.
    pub evidence: Vec<(f64, f64)>,
}

/// What a run answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// Raised rows, by row, then signal.
    pub raised: Vec<Raised>,
    /// A score from 0 to 1 a row, for each signal; empty unless all is asked.
    pub scores: Vec<Vec<f64>>,
    /// What a row says of its session's rank, for each signal that ranks.
    pub ranks: Vec<Vec<f64>>,
    /// Rows that asked a baseline still without support; empty unless all is asked.
    pub learning: Vec<bool>,
    /// The columns of the nodes that were wanted.
    pub values: Vec<Data>,
}

impl Answers {
    /// Numbers rows as in the batch of `all` rows that they were picked from; rows not picked scored nothing.
    #[must_use]
    pub fn renumbered(mut self, numbers: &[u32], all: usize) -> Self {
        let number = |row: usize| numbers.get(row).map_or(row, |&number| number as usize);
        self.raised
            .iter_mut()
            .for_each(|raised| raised.row = number(raised.row));
        self.scores
            .iter_mut()
            .for_each(|scores| *scores = spread(scores, numbers, all));
        for ranks in self.ranks.iter_mut().filter(|ranks| !ranks.is_empty()) {
            *ranks = spread(ranks, numbers, all);
        }
        // Where no row was judged nothing says whether it was asked.
        if !self.learning.is_empty() || numbers.is_empty() {
            self.learning = spread(&self.learning, numbers, all);
        }
        self.values
            .iter_mut()
            .for_each(|values| *values = values.spread(numbers, all));
        self
    }
}

fn spread<T: Copy + Default>(values: &[T], numbers: &[u32], all: usize) -> Vec<T> {
    spread_over(T::default(), values, numbers, all)
}

/// Values by the numbers of their rows, `missing` in the rows that were not picked.
pub(super) fn spread_over<T: Copy>(
    missing: T,
    values: &[T],
    numbers: &[u32],
    all: usize,
) -> Vec<T> {
    let mut out = vec![missing; all];
    for (&value, &number) in values.iter().zip(numbers) {
        if let Some(place) = out.get_mut(number as usize) {
            *place = value;
        }
    }
    out
}

/// A signal after checking.
#[derive(Debug)]
pub struct Signal {
    when: Option<LogicAt>,
    p: Option<NumberAt>,
    q: f64,
    entity: IdAt,
    level: u8,
    severity: Option<NumberAt>,
    evidence: Vec<(Place, Option<Place>)>,
    flags: bool,
    ranks: Option<NumberAt>,
}

impl Signal {
    /// Verifies a signal against the places of the nodes.
    pub fn check(at: usize, spec: &SignalSpec, places: &[Place]) -> Result<Self, Error> {
        let wrong = |what: &str| {
            Error(format!(
                "plan signal {at} {} {}: {what}",
                spec.detector, spec.index
            ))
        };
        let number = |node: usize, name: &str| match places.get(node) {
            Some(Place::Number(number)) => Ok(*number),
            _ => Err(wrong(&format!("`{name}` is no number"))),
        };
        let evidence = |node: usize| match places.get(node) {
            Some(place @ (Place::Number(_) | Place::Logic(_))) => Ok(*place),
            _ => Err(wrong("evidence is neither number nor condition")),
        };
        let when = match spec.when.map(|node| places.get(node)) {
            None => None,
            Some(Some(Place::Logic(logic))) => Some(*logic),
            Some(_) => return Err(wrong("`when` is no condition")),
        };
        let Some(Place::Id(entity)) = places.get(spec.entity) else {
            return Err(wrong("`entity` is no id"));
        };
        if when.is_none() && spec.p.is_none() {
            return Err(wrong("it has neither `when` nor `p`"));
        }
        if !(0.0 < spec.q && spec.q < 1.0) {
            return Err(wrong("`q` must lie between 0 and 1"));
        }
        let shown = spec
            .evidence
            .iter()
            .map(|(_, seen, usual)| Ok((evidence(*seen)?, usual.map(evidence).transpose()?)));
        Ok(Self {
            when,
            p: spec.p.map(|node| number(node, "p")).transpose()?,
            q: spec.q,
            entity: *entity,
            level: spec.severity.level.unwrap_or(0).min(CRITICAL as u8),
            severity: spec
                .severity
                .node
                .map(|node| number(node, "severity"))
                .transpose()?,
            evidence: shown.collect::<Result<_, Error>>()?,
            flags: spec.flags,
            ranks: spec.ranks.map(|node| number(node, "ranks")).transpose()?,
        })
    }

    /// Whether raised rows flag their entity.
    pub fn flags(&self) -> bool {
        self.flags
    }

    /// Calls `raise` for each raised row of a piece.
    pub fn each_raised(&self, arenas: &Arenas, length: usize, mut raise: impl FnMut(usize)) {
        match (self.when, self.p) {
            (Some(when), _) => {
                let when = &arenas.logics[when.0][..length];
                if when.contains(&1) {
                    (0..length).filter(|&row| when[row] == 1).for_each(raise);
                }
            }
            (None, Some(p)) => {
                let p = &arenas.numbers[p.0][..length];
                if p.iter().fold(false, |any, &p| any | (p < self.q)) {
                    (0..length)
                        .filter(|&row| p[row] < self.q)
                        .for_each(&mut raise);
                }
            }
            (None, None) => {}
        }
    }

    /// A raised row, `first` being the piece's first row in the run.
    pub fn raised(&self, signal: usize, arenas: &Arenas, row: usize, first: usize) -> Raised {
        let value = |place: Place| match place {
            Place::Number(at) => arenas.numbers[at.0][row],
            Place::Logic(at) => [0.0, f64::NAN, 1.0][(arenas.logics[at.0][row] + 1) as usize],
            Place::Id(_) => f64::NAN,
        };
        let evidence = self
            .evidence
            .iter()
            .map(|&(seen, usual)| (value(seen), usual.map_or(f64::NAN, value)));
        Raised {
            row: first + row,
            signal,
            p: self.p(arenas, row).unwrap_or(self.q),
            severity: self.severity(arenas, row),
            entity: arenas.ids[self.entity.0][row],
            evidence: evidence.collect(),
        }
    }

    fn p(&self, arenas: &Arenas, row: usize) -> Option<f64> {
        self.p
            .map(|at| arenas.numbers[at.0][row])
            .filter(|p| !p.is_nan())
            .map(|p| p.clamp(0.0, 1.0))
    }

    fn severity(&self, arenas: &Arenas, row: usize) -> u8 {
        let wanted = self
            .severity
            .map_or(f64::NAN, |at| arenas.numbers[at.0][row]);
        if wanted.is_nan() {
            self.level
        } else {
            wanted.floor().clamp(0.0, CRITICAL) as u8
        }
    }

    /// Scores of a piece: how many orders of magnitude p lies under 1, of twelve.
    pub fn score(&self, arenas: &Arenas, length: usize, out: &mut Vec<f64>) {
        let start = out.len();
        out.extend((0..length).map(|row| self.p(arenas, row).map_or(0.0, score)));
        self.each_raised(arenas, length, |row| {
            if self.p(arenas, row).is_none() {
                out[start + row] = score(self.q);
            }
        });
    }

    /// What the rows of a piece say of their sessions' ranks.
    pub fn rank(&self, arenas: &Arenas, length: usize, out: &mut Vec<f64>) {
        if let Some(ranks) = self.ranks {
            out.extend_from_slice(&arenas.numbers[ranks.0][..length]);
        }
    }

    /// The entity of a row.
    pub fn entity(&self, arenas: &Arenas, row: usize) -> u64 {
        arenas.ids[self.entity.0][row]
    }
}

fn score(p: f64) -> f64 {
    (-p.log10() / 12.0).clamp(0.0, 1.0)
}
