//! A table of the rows' own: under its cap at whole seconds of stream time and after so many rows, as those of the plan are.

use crate::error::Result;
use crate::snapshot::{Keeps, Sink, Source};
use crate::table::Table;
use crate::table::snapshot::{self, Section};

const SECOND: i64 = 1_000_000_000;
const TABLE: u64 = 0;
const REST: u64 = 1;

/// The table, and what was counted in it.
#[derive(Debug)]
pub struct Settled {
    /// The entries.
    pub table: Table,
    section: [Section; 1],
    segment: u64,
    rows: u64,
    /// Rows, and the second, when it last settled.
    settled: (u64, i64),
}

/// How far a copy has come.
#[derive(Debug)]
pub struct Copying {
    entries: snapshot::Copying,
    done: bool,
}

impl Settled {
    /// An empty table of `cells` words an entry, the first a handle where they spill, that settles after `segment` rows at the latest.
    pub fn new(
        (identity, cells, spills): (&str, usize, bool),
        segment: u64,
        cap: u64,
        expiry: i64,
    ) -> Self {
        let handles = if spills { vec![0] } else { Vec::new() };
        Self {
            table: Table::new(cells, handles, cap, expiry),
            section: [Section {
                identity: identity.to_owned(),
                cell: 0,
                cells,
                spills,
            }],
            segment,
            rows: 0,
            settled: (0, 0),
        }
    }

    /// The number of the row that is counted now.
    pub fn row(&self) -> u64 {
        self.rows
    }

    /// A row was counted.
    pub fn count(&mut self) {
        self.rows += 1;
    }

    /// Comes back under the cap where that is due, before a row at `stream` (ns).
    pub fn settle(&mut self, stream: i64) {
        let second = stream.div_euclid(SECOND);
        if second != self.settled.1 {
            self.table.settle();
            self.table.expire(second * SECOND);
        } else if self.rows - self.settled.0 >= self.segment {
            self.table.settle();
        } else {
            return;
        }
        self.settled = (self.rows, second);
    }

    /// Forgets all entries: a file that begins in the past of the one before.
    pub fn restart(&mut self) {
        self.table.clear();
        self.settled = (self.rows, 0);
    }
}

impl Keeps for Settled {
    const LAYOUT: u64 = 1;
    type Copying = Copying;

    fn start(&self) -> Copying {
        Copying {
            entries: self.table.start_copy(),
            done: false,
        }
    }

    fn copy(&self, at: &mut Copying, to: &mut Sink) -> bool {
        if !at.entries.is_done() {
            to.number(TABLE);
            return self.table.copy(&mut at.entries, &self.section, to);
        }
        if at.done {
            return false;
        }
        at.done = true;
        to.number(REST);
        to.words(&[self.rows, self.settled.0]);
        to.signed(self.settled.1);
        true
    }

    fn load(&mut self, from: &mut Source<'_>) -> Result<()> {
        if from.number()? == TABLE {
            return self.table.load(&self.section, from).map(drop);
        }
        let (rows, settled) = (from.number()?, from.number()?);
        self.rows = rows;
        self.settled = (settled.min(rows), from.signed()?);
        Ok(())
    }
}

/// State that is a settled table, kept as that.
macro_rules! kept_as_table {
    ($type:ty) => {
        impl crate::snapshot::Keeps for $type {
            const LAYOUT: u64 = <crate::rows::settled::Settled as crate::snapshot::Keeps>::LAYOUT;
            type Copying = crate::rows::settled::Copying;

            fn start(&self) -> Self::Copying {
                self.kept.start()
            }

            fn copy(&self, at: &mut Self::Copying, to: &mut crate::snapshot::Sink) -> bool {
                self.kept.copy(at, to)
            }

            fn load(&mut self, from: &mut crate::snapshot::Source<'_>) -> crate::error::Result<()> {
                self.kept.load(from)
            }
        }
    };
}
pub(super) use kept_as_table;
