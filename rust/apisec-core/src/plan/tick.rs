//! What happens between two rows: flags take effect, windows close and teach, tables settle. Nothing else feeds back.

use super::flags::Flags;
use super::keyed::Keyed;
use super::node::{Baseline, Node};
use super::run::Plan;
use crate::kernels::baseline::{self, PENDING_CELLS};
use crate::table::NONE;

impl Plan {
    /// Stream time passed into the second that starts at `now`.
    pub(super) fn tick(&mut self, now: i64) {
        self.flags.tick(now);
        for number in 0..self.baselines.len() {
            let line = &self.keyed.lines[number];
            if !line.waiting.is_empty() && now / self.baselines[number].window > line.open {
                self.close(number, now);
            }
        }
        self.settle();
        for shared in &mut self.keyed.tables {
            shared.table.expire(now);
        }
    }

    /// Ends a recording before one that begins in its past: windows close, tallies and flags go, baselines stay.
    pub fn restart(&mut self) {
        (0..self.baselines.len()).for_each(|number| self.close(number, self.time));
        self.settle();
        for (number, shared) in self.keyed.tables.iter_mut().enumerate() {
            if self
                .baselines
                .iter()
                .all(|baseline| baseline.table != number)
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
            let (value, by, teacher) = (f64::from_bits(cells[1]), cells[2], cells[3]);
            cells.fill(0);
            if !self.flags.holds(teacher) {
                learn(
                    &mut self.keyed,
                    baseline,
                    (by, value, teacher),
                    self.row,
                    now,
                );
            }
        }
        self.keyed.lines[number].waiting = waiting;
    }
}

fn learn(
    keyed: &mut Keyed,
    baseline: &Baseline,
    (by, value, teacher): (u64, f64, u64),
    row: u64,
    now: i64,
) {
    let table = &mut keyed.tables[baseline.table].table;
    let slot = table.visit(by, NONE, row, now);
    let (cells, spill) = table.parts(slot);
    baseline::learn(
        &mut cells[baseline.cell..][..baseline::CELLS],
        spill,
        value,
        teacher,
    );
    table.charge(slot);
}
