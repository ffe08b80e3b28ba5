//! Nodes after checking: operands are places in three arenas, so that no arm can be of the wrong type.

use super::conduct::Part;
use super::outside::Remembered;
use super::pointwise::{Binary, Compare, Join, Unary};
use crate::kernels::half_space_trees::Forest;
use crate::kernels::learned::{Question, State};
use crate::kernels::{Kernel, Kind, Spill};

/// A column of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberAt(pub usize);

/// A column of conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogicAt(pub usize);

/// A column of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdAt(pub usize);

/// Where a node's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Number(NumberAt),
    Logic(LogicAt),
    Id(IdAt),
}

/// A column the rows must provide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
}

/// One step over a piece: reads columns made before, writes its own.
#[derive(Debug)]
pub enum Node {
    Input(usize, Place),
    /// Stream time in seconds.
    Time(NumberAt),
    Unary(Unary, NumberAt, NumberAt),
    Binary(Binary, NumberAt, NumberAt, NumberAt),
    Choose(LogicAt, NumberAt, NumberAt, NumberAt),
    Compare(Compare, NumberAt, NumberAt, LogicAt),
    /// True where the ids are the same; the flag says different instead.
    Same(bool, IdAt, IdAt, LogicAt),
    Join(Join, LogicAt, LogicAt, LogicAt),
    Not(LogicAt, LogicAt),
    Known(Place, LogicAt),
    Mix(IdAt, IdAt, IdAt),
    Tally(Tally),
    Ask(Ask),
    Trees(Box<Trees>),
    Outside(Box<OutsideNode>),
    /// Counts a piece in a watch.
    Watch(usize),
    /// One of a watch's answers.
    Part(Part),
}

/// Rows that want an answer: any of these is true; none given means all.
pub type Asked = Option<Vec<LogicAt>>;

#[derive(Debug)]
pub struct Tally {
    pub kernel: Kernel,
    pub operand: Option<Place>,
    pub by: IdAt,
    pub counted: LogicAt,
    pub asked: Asked,
    pub table: usize,
    pub cell: usize,
    pub out: Place,
}

/// A question to a baseline.
#[derive(Debug)]
pub struct Ask {
    pub question: Question,
    pub baseline: usize,
    /// Whether this is the first node of its baseline, which teaches.
    pub teaches: bool,
    pub asked: Asked,
    pub out: NumberAt,
}

/// Half-space trees of each key.
#[derive(Debug)]
pub struct Trees {
    pub forest: Forest,
    pub features: Vec<NumberAt>,
    /// A feature that is scored as if it had a value of all rows; learned is what it is.
    pub instead: Option<(usize, f64)>,
    pub remembered: Remembered,
    pub asked: Asked,
    pub table: usize,
    pub cell: usize,
    pub out: NumberAt,
}

impl Trees {
    /// The row's score, with what stands in for a feature; the row is left as it was.
    pub fn score(&self, cells: &[u64], spill: &Spill, row: &mut [f64]) -> f64 {
        let Some((at, value)) = self.instead else {
            return self.forest.score(cells, spill, row);
        };
        let own = std::mem::replace(&mut row[at], value);
        let score = self.forest.score(cells, spill, row);
        row[at] = own;
        score
    }
}

/// A function that is not native.
#[derive(Debug)]
pub struct OutsideNode {
    pub function: usize,
    pub operands: Vec<Place>,
    pub remembered: Option<Remembered>,
    pub asked: Asked,
    pub out: NumberAt,
}

/// What several questions share: one state learned from one column.
#[derive(Debug, PartialEq)]
pub struct Baseline {
    /// What it learns; empty when it is not kept in snapshots.
    pub identity: String,
    pub state: State,
    pub value: Place,
    pub by: IdAt,
    pub taught_by: IdAt,
    pub counted: LogicAt,
    pub window: i64,
    pub table: usize,
    pub cell: usize,
    pub pending: usize,
    pub pending_cell: usize,
}
