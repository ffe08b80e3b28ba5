//! What a plan remembers, shard by shard: each table under the identity of its key, then time, flags and open windows.
//!
//! A value that waits for its window to close must not be taught twice. Every shard therefore says how many windows of
//! each baseline were closed when it was copied; what waited in an older shard than the newest may have been taught in
//! between and is dropped.

use std::collections::{HashMap, HashSet};

use super::run::Plan;
use crate::error::Result;
use crate::kernels::learned::PENDING_CELLS;
use crate::snapshot::{Keeps, Sink, Source};
use crate::table::snapshot;

const TABLE: u64 = 0;
const REST: u64 = 1;

/// How far a copy of a plan has come.
#[derive(Debug, Default)]
pub struct Copying {
    table: usize,
    entries: Option<snapshot::Copying>,
    done: bool,
}

/// What was read so far.
#[derive(Debug, Default)]
pub struct Loading {
    /// By baseline: windows closed and the window open when its newest shard was copied.
    newest: HashMap<String, (u64, i64)>,
    /// By baseline: who waits (slot, mark), and how many windows were closed then.
    waiting: HashMap<usize, Vec<(u32, u64, u64)>>,
    known: HashSet<String>,
}

impl Keeps for Plan {
    const LAYOUT: u64 = 2;
    type Copying = Copying;

    fn start(&self) -> Copying {
        Copying::default()
    }

    fn copy(&self, at: &mut Copying, to: &mut Sink) -> bool {
        while let Some(shared) = self.keyed.tables.get(at.table) {
            let entries = at.entries.get_or_insert_with(|| shared.table.start_copy());
            if !entries.is_done() && !shared.sections.is_empty() {
                to.number(TABLE);
                to.text(&shared.identity);
                self.copy_stamps(to);
                return shared.table.copy(entries, &shared.sections, to);
            }
            (at.table, at.entries) = (at.table + 1, None);
        }
        if !at.done {
            at.done = true;
            to.number(REST);
            self.copy_rest(to);
            return true;
        }
        false
    }

    fn load(&mut self, from: &mut Source<'_>) -> Result<()> {
        match from.number()? {
            TABLE => self.load_table(from),
            REST => self.load_rest(from),
            _ => Err(from.bad("neither a table nor the rest of a plan")),
        }
    }

    /// Identities of what the plan remembers and the snapshot did not have.
    fn loaded(&mut self) -> Vec<String> {
        let loading = std::mem::take(&mut self.loading);
        for (number, waiting) in loading.waiting {
            self.open(number, waiting, &loading.newest);
        }
        for watch in &mut self.watches {
            watch.restored(&self.keyed.tables[watch.sessions.0].table);
        }
        let sections = self.keyed.tables.iter().flat_map(|shared| &shared.sections);
        let mut cold: Vec<_> = sections
            .filter(|section| !loading.known.contains(&section.identity))
            .map(|section| {
                section
                    .identity
                    .trim_start_matches("pending ")
                    .trim_start_matches("usual ")
                    .to_owned()
            })
            .collect();
        cold.sort_unstable();
        cold.dedup();
        cold
    }
}

impl Plan {
    fn copy_stamps(&self, to: &mut Sink) {
        to.number(self.baselines.len() as u64);
        for (baseline, line) in self.baselines.iter().zip(&self.keyed.lines) {
            to.text(&baseline.identity);
            to.number(line.closed);
            to.signed(line.open);
        }
    }

    fn copy_rest(&self, to: &mut Sink) {
        to.number(self.row);
        to.number(self.settled as u64);
        to.signed(self.time);
        to.number(u64::from(self.second.is_some()));
        to.signed(self.second.unwrap_or_default());
        self.flags.copy(to);
        let sections = || self.keyed.tables.iter().flat_map(|shared| &shared.sections);
        to.number(sections().count() as u64);
        sections().for_each(|section| to.text(&section.identity));
    }

    fn load_table(&mut self, from: &mut Source<'_>) -> Result<()> {
        let identity = from.text()?;
        let mut closed = HashMap::new();
        for _ in 0..from.count(24)? {
            let baseline = from.text()?;
            let stamp = (from.number()?, from.signed()?);
            closed.insert(baseline, stamp.0);
            let newest = self.loading.newest.entry(baseline.to_owned()).or_default();
            if stamp.0 >= newest.0 {
                *newest = stamp;
            }
        }
        let tables = &mut self.keyed.tables;
        let Some(table) = tables.iter().position(|shared| shared.identity == identity) else {
            from.skip();
            return Ok(());
        };
        let shared = &mut tables[table];
        let slots = shared.table.load(&shared.sections, from)?;
        for (number, baseline) in self.baselines.iter().enumerate() {
            if baseline.pending == table
                && let Some(&closed) = closed.get(baseline.identity.as_str())
            {
                let mark = |slot: u32| shared.table.cells(slot)[baseline.pending_cell];
                let waits = slots.iter().map(|&slot| (slot, mark(slot), closed));
                let waiting = self.loading.waiting.entry(number).or_default();
                waiting.extend(waits.filter(|&(_, mark, _)| mark != 0));
            }
        }
        Ok(())
    }

    fn load_rest(&mut self, from: &mut Source<'_>) -> Result<()> {
        self.row = from.number()?;
        self.settled = (from.number()? as usize).min(crate::kernels::PIECE);
        self.time = from.signed()?;
        let (any, second) = (from.number()?, from.signed()?);
        self.second = (any != 0).then_some(second);
        self.flags.load(from)?;
        for _ in 0..from.count(8)? {
            let identity = from.text()?;
            self.loading.known.insert(identity.to_owned());
        }
        Ok(())
    }

    /// Lets those wait whose window was still open when the last table was copied.
    fn open(
        &mut self,
        number: usize,
        mut waiting: Vec<(u32, u64, u64)>,
        newest: &HashMap<String, (u64, i64)>,
    ) {
        let baseline = &self.baselines[number];
        let (closed, open) = newest.get(&baseline.identity).copied().unwrap_or_default();
        let table = &mut self.keyed.tables[baseline.pending].table;
        for &(slot, ..) in waiting.iter().filter(|&&(.., stamp)| stamp != closed) {
            let (cells, _) = table.parts(slot);
            cells[baseline.pending_cell..][..PENDING_CELLS].fill(0);
        }
        waiting.retain(|&(.., stamp)| stamp == closed);
        waiting.sort_unstable_by_key(|&(_, mark, _)| mark);
        let line = &mut self.keyed.lines[number];
        line.open = open;
        line.waiting = waiting
            .into_iter()
            .map(|(slot, mark, _)| (slot, mark))
            .collect();
    }
}
