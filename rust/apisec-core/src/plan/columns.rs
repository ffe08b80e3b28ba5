//! Columns in and between: the rows a plan reads, and the arenas its nodes write.

use std::collections::HashMap;
use std::ops::Range;

use super::node::{IdAt, Input, LogicAt, NumberAt};
use super::signal::spread_over;
use super::spec::Error;
use crate::kernels::{Kind, PIECE};

/// Rows as a plan reads them. A column is the position of an input in `Plan::inputs`, resolved once, never a name.
pub trait Rows {
    /// Rows.
    fn len(&self) -> usize;
    /// Whether there is no row.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Stream time of a row, ns.
    fn time(&self, row: usize) -> i64;
    /// Whether a row is too late to be counted or learned.
    fn late(&self, row: usize) -> bool;
    /// Writes a column of numbers, NaN for missing; `out` is as long as `rows`.
    fn fill_number(&self, column: usize, rows: Range<usize>, out: &mut [f64]);
    /// Writes a column of conditions: 1, -1, 0 for unknown.
    fn fill_logic(&self, column: usize, rows: Range<usize>, out: &mut [i8]);
    /// Writes a column of ids, 0 for missing.
    fn fill_id(&self, column: usize, rows: Range<usize>, out: &mut [u64]);
}

/// A column held in memory.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// NaN is missing.
    Number(Vec<f64>),
    /// 1, -1, 0 unknown.
    Logic(Vec<i8>),
    /// 0 is missing.
    Id(Vec<u64>),
}

impl Data {
    /// The column numbered as in the batch of `all` rows that its rows were picked from; the others are missing.
    pub(super) fn spread(&self, numbers: &[u32], all: usize) -> Self {
        match self {
            Self::Number(values) => Self::Number(spread_over(f64::NAN, values, numbers, all)),
            Self::Logic(values) => Self::Logic(spread_over(0, values, numbers, all)),
            Self::Id(values) => Self::Id(spread_over(0, values, numbers, all)),
        }
    }

    /// Adds more of the same kind.
    pub(crate) fn append(&mut self, more: Self) {
        match (self, more) {
            (Self::Number(values), Self::Number(more)) => values.extend(more),
            (Self::Logic(values), Self::Logic(more)) => values.extend(more),
            (Self::Id(values), Self::Id(more)) => values.extend(more),
            _ => {}
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Number(values) => values.len(),
            Self::Logic(values) => values.len(),
            Self::Id(values) => values.len(),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Number(_) => Kind::Number,
            Self::Logic(_) => Kind::Logic,
            Self::Id(_) => Kind::Id,
        }
    }
}

fn missing(kind: Kind, length: usize) -> Data {
    match kind {
        Kind::Number => Data::Number(vec![f64::NAN; length]),
        Kind::Logic => Data::Logic(vec![0; length]),
        Kind::Id => Data::Id(vec![0; length]),
    }
}

/// Rows as columns by name: for tests, replay of tables and benches.
#[derive(Clone, Debug)]
pub struct ColumnMap {
    columns: Vec<Data>,
    times: Vec<i64>,
    late: Vec<bool>,
}

impl ColumnMap {
    /// Picks the inputs of a plan. `late` may be empty: no row is. A column that is not given is missing in every row.
    ///
    /// # Errors
    /// A column is of another kind or of another length.
    pub fn new(
        inputs: &[Input],
        mut columns: HashMap<String, Data>,
        times: Vec<i64>,
        late: Vec<bool>,
    ) -> Result<Self, Error> {
        if !late.is_empty() && late.len() != times.len() {
            return Err(Error(format!(
                "late: {} rows, {} are wanted",
                late.len(),
                times.len()
            )));
        }
        let mut picked = Vec::with_capacity(inputs.len());
        for Input { name, kind } in inputs {
            let column = columns
                .remove(name)
                .unwrap_or_else(|| missing(*kind, times.len()));
            if column.kind() != *kind {
                return Err(Error(format!(
                    "column {name} is {:?}, {kind:?} is wanted",
                    column.kind()
                )));
            }
            if column.len() != times.len() {
                return Err(Error(format!(
                    "column {name}: {} rows, {} are wanted",
                    column.len(),
                    times.len()
                )));
            }
            picked.push(column);
        }
        Ok(Self {
            columns: picked,
            times,
            late,
        })
    }

    /// The rows of a range, copied: another cut of the same stream.
    #[must_use]
    pub fn cut(&self, rows: Range<usize>) -> Self {
        let columns = self.columns.iter().map(|column| match column {
            Data::Number(values) => Data::Number(values[rows.clone()].to_vec()),
            Data::Logic(values) => Data::Logic(values[rows.clone()].to_vec()),
            Data::Id(values) => Data::Id(values[rows.clone()].to_vec()),
        });
        let late = if self.late.is_empty() {
            Vec::new()
        } else {
            self.late[rows.clone()].to_vec()
        };
        Self {
            columns: columns.collect(),
            times: self.times[rows].to_vec(),
            late,
        }
    }
}

impl Rows for ColumnMap {
    fn len(&self) -> usize {
        self.times.len()
    }

    fn time(&self, row: usize) -> i64 {
        self.times[row]
    }

    fn late(&self, row: usize) -> bool {
        self.late.get(row).copied().unwrap_or(false)
    }

    fn fill_number(&self, column: usize, rows: Range<usize>, out: &mut [f64]) {
        if let Some(Data::Number(values)) = self.columns.get(column) {
            out.copy_from_slice(&values[rows]);
        }
    }

    fn fill_logic(&self, column: usize, rows: Range<usize>, out: &mut [i8]) {
        if let Some(Data::Logic(values)) = self.columns.get(column) {
            out.copy_from_slice(&values[rows]);
        }
    }

    fn fill_id(&self, column: usize, rows: Range<usize>, out: &mut [u64]) {
        if let Some(Data::Id(values)) = self.columns.get(column) {
            out.copy_from_slice(&values[rows]);
        }
    }
}

/// Three arenas of columns, one piece long, used again for every piece.
#[derive(Debug, Default)]
pub struct Arenas {
    pub numbers: Vec<Vec<f64>>,
    pub logics: Vec<Vec<i8>>,
    pub ids: Vec<Vec<u64>>,
}

impl Arenas {
    pub fn number(&mut self, value: f64) -> NumberAt {
        self.numbers.push(vec![value; PIECE]);
        NumberAt(self.numbers.len() - 1)
    }

    pub fn logic(&mut self, value: i8) -> LogicAt {
        self.logics.push(vec![value; PIECE]);
        LogicAt(self.logics.len() - 1)
    }

    pub fn id(&mut self, value: u64) -> IdAt {
        self.ids.push(vec![value; PIECE]);
        IdAt(self.ids.len() - 1)
    }
}

/// Reads an input into its column, held to what a plan may meet: no infinity, conditions by their sign.
pub fn fill(
    rows: &dyn Rows,
    column: usize,
    range: Range<usize>,
    arenas: &mut Arenas,
    place: super::node::Place,
) {
    use super::node::Place;
    let length = range.len();
    match place {
        Place::Number(at) => {
            let out = &mut arenas.numbers[at.0][..length];
            rows.fill_number(column, range, out);
            out.iter_mut()
                .for_each(|value| *value = if value.is_finite() { *value } else { f64::NAN });
        }
        Place::Logic(at) => {
            let out = &mut arenas.logics[at.0][..length];
            rows.fill_logic(column, range, out);
            out.iter_mut().for_each(|value| *value = value.signum());
        }
        Place::Id(at) => rows.fill_id(column, range, &mut arenas.ids[at.0][..length]),
    }
}
