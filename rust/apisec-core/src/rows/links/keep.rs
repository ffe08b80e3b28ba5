//! Links, shard by shard.

use super::{CELLS, Links};
use crate::error::Result;
use crate::snapshot::{Keeps, Sink, Source};
use crate::table::snapshot::{self, Section};

const TABLE: u64 = 0;
const REST: u64 = 1;

/// How far a copy has come.
#[derive(Debug)]
pub struct Copying {
    entries: snapshot::Copying,
    done: bool,
}

fn sections() -> [Section; 1] {
    [Section {
        identity: "links".to_owned(),
        cell: 0,
        cells: CELLS,
        spills: true,
    }]
}

impl Keeps for Links {
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
            return self.table.copy(&mut at.entries, &sections(), to);
        }
        if at.done {
            return false;
        }
        at.done = true;
        to.number(REST);
        to.words(&[self.pairings, self.settled.0]);
        to.signed(self.settled.1);
        true
    }

    fn load(&mut self, from: &mut Source<'_>) -> Result<()> {
        if from.number()? == TABLE {
            return self.table.load(&sections(), from).map(drop);
        }
        let (pairings, settled) = (from.number()?, from.number()?);
        self.pairings = pairings;
        self.settled = (settled.min(pairings), from.signed()?);
        Ok(())
    }
}
