//! What happens between two rows: flags take effect, windows close and teach, tables settle. Nothing else feeds back.

use super::flags::Flags;
use super::keyed::Keyed;
use super::node::{Baseline, Node};
use super::run::{Plan, SECOND};
use crate::kernels::conduct::person::CELLS;
use crate::kernels::learned::{Lesson, PENDING_CELLS};
use crate::table::NONE;

impl Plan {
    /// Stream time passed into the second that starts at `now`.
    pub(super) fn tick(&mut self, now: i64) {
        self.take_effect(now);
        self.flags.forget(now);
        self.settle();
        for shared in &mut self.keyed.tables {
            shared.table.expire(now);
        }
    }

    /// Time passes without a row: what is due takes effect now instead of with the next row.
    ///
    /// No row may come later with a time before `time`. The answers to later rows are those they would have had without.
    pub fn advance(&mut self, time: i64) {
        if self.second.is_some_and(|second| time / SECOND > second) {
            self.take_effect(time / SECOND * SECOND);
        }
    }

    /// Notes an entity that was raised at a time (ns), on rows that another plan judges before these come to it.
    pub fn flag(&mut self, entity: u64, time: i64) {
        self.flags.raise_ahead(entity, time);
    }

    /// Flags what was raised, and closes windows in order of their ends; each at its own time, whenever that is noticed.
    fn take_effect(&mut self, now: i64) {
        self.flags.take(self.next_second(), now);
        let mut due: Vec<(i64, usize)> = (0..self.baselines.len())
            .filter(|&number| !self.keyed.lines[number].waiting.is_empty())
            .map(|number| (self.end(number), number))
            .filter(|&(end, _)| end <= now)
            .collect();
        due.sort_unstable();
        for (end, number) in due {
            self.close(number, end);
        }
        for watch in &mut self.watches {
            watch.tick(now, &mut self.keyed, &self.flags, self.row);
        }
    }

    /// When the second of the last row ends.
    fn next_second(&self) -> i64 {
        self.second
            .map_or(0, |second| (second + 1).saturating_mul(SECOND))
    }

    /// When a baseline's open window ends.
    fn end(&self, number: usize) -> i64 {
        (self.keyed.lines[number].open + 1).saturating_mul(self.baselines[number].window)
    }

    /// Ends a recording before one that begins in its past: windows close, tallies and flags go, baselines stay.
    pub fn restart(&mut self) {
        self.flags.take(self.next_second(), i64::MAX);
        (0..self.baselines.len()).for_each(|number| self.close(number, self.time));
        for watch in &mut self.watches {
            watch.end(&mut self.keyed, &self.flags, self.row);
        }
        self.settle();
        for (number, shared) in self.keyed.tables.iter_mut().enumerate() {
            if self
                .baselines
                .iter()
                .all(|baseline| baseline.table != number)
                && self.watches.iter().all(|watch| watch.usual.0 != number)
                && !self
                    .nodes
                    .iter()
                    .any(|node| matches!(node, Node::Trees(trees) if trees.table == number))
            {
                shared.table.clear();
            }
        }
        for node in &self.nodes {
            if let Node::Tally(tally) = node {
                self.keyed.tables[tally.table].table.zero(
                    tally.cell,
                    tally.kernel.cells(),
                    tally.kernel.spills(),
                );
            }
        }
        for watch in &self.watches {
            let (table, cell) = watch.sessions;
            self.keyed.tables[table].table.zero(cell, CELLS, false);
        }
        self.flags = Flags::default();
        self.forget_time();
    }

    /// Tables come back under their caps.
    pub(super) fn settle(&mut self) {
        self.settled = 0;
        for shared in &mut self.keyed.tables {
            shared.table.settle();
        }
        for (line, baseline) in self.keyed.lines.iter_mut().zip(&self.baselines) {
            line.sweep(
                &self.keyed.tables[baseline.pending].table,
                baseline.pending_cell,
            );
        }
    }

    /// Each teacher teaches its largest value of the window once, unless it is flagged.
    fn close(&mut self, number: usize, now: i64) {
        let baseline = &self.baselines[number];
        let mut waiting = self.keyed.lines[number].take();
        for (slot, mark) in waiting.drain(..) {
            let (cells, _) = self.keyed.tables[baseline.pending].table.parts(slot);
            let cells = &mut cells[baseline.pending_cell..][..PENDING_CELLS];
            if cells[0] != mark {
                continue;
            }
            let (word, by, teacher) = (cells[1], cells[2], cells[3]);
            cells.fill(0);
            if !self.flags.holds(teacher, now) {
                let lesson = Lesson {
                    word,
                    teacher,
                    time: now,
                };
                learn(&mut self.keyed, baseline, by, lesson, self.row);
            }
        }
        self.keyed.lines[number].waiting = waiting;
    }
}

fn learn(keyed: &mut Keyed, baseline: &Baseline, by: u64, lesson: Lesson, row: u64) {
    let table = &mut keyed.tables[baseline.table].table;
    let slot = table.visit(by, NONE, row, lesson.time);
    let (cells, spill) = table.parts(slot);
    let cells = &mut cells[baseline.cell..][..baseline.state.cells()];
    baseline.state.learn(cells, spill, lesson);
    table.charge(slot);
}
