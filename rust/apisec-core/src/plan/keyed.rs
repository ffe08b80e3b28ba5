//! Nodes that remember: they look their keys up once a piece and table, count, and answer where asked.

use super::columns::Arenas;
use super::conduct::{Part, Watch};
use super::flags::Flags;
use super::node::{Ask, Asked, Baseline, IdAt, OutsideNode, Place, Tally, Trees};
use super::outside::{Call as OutsideCall, Outer, operands};
use crate::kernels::half_space_trees;
use crate::kernels::learned::PENDING_CELLS;
use crate::kernels::{Call, Operands, Out, PIECE, Piece};
use crate::table::snapshot::Section;
use crate::table::{NONE, Table};

/// A table with its key column and the slots of the piece's rows.
#[derive(Debug)]
pub struct Shared {
    pub table: Table,
    pub key: IdAt,
    pub identity: String,
    /// Its kernels' cells, of those that are kept in snapshots.
    pub sections: Vec<Section>,
    slots: Vec<u32>,
    found: u64,
}

/// What waits for a window to close: (slot, number of its first row plus 1), in order of first row.
#[derive(Debug, Default)]
pub struct Line {
    pub open: i64,
    /// Windows closed since the plan began.
    pub closed: u64,
    pub waiting: Vec<(u32, u64)>,
    swept_at: usize,
}

/// All that is remembered.
#[derive(Debug)]
pub struct Keyed {
    pub tables: Vec<Shared>,
    pub lines: Vec<Line>,
    asked: Vec<bool>,
    counted: Vec<bool>,
    row: Vec<f64>,
    pieces: u64,
}

/// How a piece is asked.
pub struct Asking<'a> {
    /// Answers are wanted of every row.
    pub all: bool,
    /// Rows that asked a baseline without support.
    pub learning: &'a mut [bool],
}

impl Shared {
    pub fn new(table: Table, key: IdAt, identity: String, mut sections: Vec<Section>) -> Self {
        sections.retain(|section| !section.identity.is_empty() && !identity.is_empty());
        Self {
            table,
            key,
            identity,
            sections,
            slots: vec![NONE; PIECE],
            found: 0,
        }
    }

    /// The slot found for a row of the piece.
    pub fn slot(&self, at: usize) -> u32 {
        self.slots[at]
    }

    fn find(&mut self, piece: u64, arenas: &Arenas, length: usize) {
        if self.found != piece {
            self.table
                .find_all(&arenas.ids[self.key.0][..length], &mut self.slots);
            self.table.warm(&self.slots[..length]);
            self.found = piece;
        }
    }
}

impl Line {
    /// Takes what waits, for the window closes; the line begins anew.
    pub fn take(&mut self) -> Vec<(u32, u64)> {
        self.closed += 1;
        self.swept_at = 0;
        std::mem::take(&mut self.waiting)
    }

    /// Drops what was evicted, when the line has doubled since it was last swept.
    pub fn sweep(&mut self, table: &Table, cell: usize) {
        if self.waiting.len() > 2 * self.swept_at.max(512) {
            self.waiting
                .retain(|&(slot, mark)| table.cells(slot)[cell] == mark);
            self.swept_at = self.waiting.len();
        }
    }
}

fn mark_asked(asked: &Asked, all: bool, arenas: &Arenas, marks: &mut [bool]) {
    let (Some(asked), false) = (asked, all) else {
        return marks.fill(true);
    };
    marks.fill(false);
    for condition in asked {
        for (mark, &holds) in marks.iter_mut().zip(&arenas.logics[condition.0]) {
            *mark |= holds > 0;
        }
    }
}

impl Keyed {
    pub fn new(tables: Vec<Shared>, baselines: usize) -> Self {
        let lines = (0..baselines).map(|_| Line::default()).collect();
        Self {
            tables,
            lines,
            asked: vec![false; PIECE],
            counted: vec![false; PIECE],
            row: Vec::new(),
            pieces: 0,
        }
    }

    /// Starts a piece: the slots found for the last one are void.
    pub fn start(&mut self) {
        self.pieces += 1;
    }

    /// Looks the piece's keys of a table up.
    pub fn find(&mut self, table: usize, arenas: &Arenas, length: usize) {
        self.tables[table].find(self.pieces, arenas, length);
    }

    /// A table and the slot found for a row of the piece.
    pub fn entry(&mut self, table: usize, at: usize) -> (&mut Table, &mut u32) {
        let shared = &mut self.tables[table];
        (&mut shared.table, &mut shared.slots[at])
    }

    /// Copies one of a watch's answers to where it is asked.
    pub fn part(
        &mut self,
        part: &Part,
        watch: &Watch,
        arenas: &mut Arenas,
        length: usize,
        all: bool,
    ) {
        mark_asked(&part.asked, all, arenas, &mut self.asked[..length]);
        watch.answer(
            part.part,
            &self.asked[..length],
            &mut arenas.numbers[part.out.0],
        );
    }

    pub fn tally(&mut self, node: &Tally, piece: &Piece<'_>, arenas: &mut Arenas, all: bool) {
        let length = piece.times.len();
        mark_asked(&node.asked, all, arenas, &mut self.asked[..length]);
        let shared = &mut self.tables[node.table];
        shared.find(self.pieces, arenas, length);
        // What a node reads stands before what it writes.
        let (number, id) = match node.out {
            Place::Number(at) => (at.0, arenas.ids.len()),
            Place::Id(at) => (arenas.numbers.len(), at.0),
            Place::Logic(_) => return,
        };
        let (numbers, new_numbers) = arenas.numbers.split_at_mut(number);
        let (ids, new_ids) = arenas.ids.split_at_mut(id);
        let mut out = match (new_numbers, new_ids) {
            ([column, ..], _) => Out::Number(column),
            (_, [column, ..]) => Out::Id(column),
            _ => return,
        };
        let operands = match node.operand {
            None => Operands::Row,
            Some(Place::Number(at)) => Operands::Number(&numbers[at.0]),
            Some(Place::Logic(at)) => Operands::Logic(&arenas.logics[at.0]),
            Some(Place::Id(at)) => Operands::Id(&ids[at.0]),
        };
        let (by, counted) = (&ids[node.by.0], &arenas.logics[node.counted.0]);
        let call = Call {
            by,
            counted,
            operands,
            asked: &self.asked,
            cell: node.cell,
        };
        node.kernel
            .run(piece, &call, &mut shared.table, &mut shared.slots, &mut out);
    }

    /// Answers first; what the rows teach is learned at a later tick.
    pub fn ask(
        &mut self,
        node: &Ask,
        baseline: &Baseline,
        piece: &Piece<'_>,
        arenas: &mut Arenas,
        asking: &mut Asking<'_>,
    ) {
        let length = piece.times.len();
        mark_asked(&node.asked, asking.all, arenas, &mut self.asked[..length]);
        let shared = &mut self.tables[baseline.table];
        shared.find(self.pieces, arenas, length);
        answer(
            node,
            baseline,
            shared,
            &self.asked[..length],
            arenas,
            asking,
        );
        if node.teaches {
            self.teach(node.baseline, baseline, piece, arenas);
        }
    }

    /// Scores a row, then learns it: scores look at full windows only, so nobody is judged by himself.
    pub fn trees(
        &mut self,
        node: &Trees,
        piece: &Piece<'_>,
        arenas: &mut Arenas,
        asking: &mut Asking<'_>,
        flags: &Flags,
    ) {
        let length = piece.times.len();
        let (asked, counted) = (&mut self.asked[..length], &mut self.counted[..length]);
        mark_asked(&node.asked, asking.all, arenas, asked);
        node.remembered.mark(piece, arenas, flags, counted);
        let shared = &mut self.tables[node.table];
        shared.find(self.pieces, arenas, length);
        let table = &mut shared.table;
        let by = &arenas.ids[node.remembered.by.0];
        let (numbers, out) = arenas.numbers.split_at_mut(node.out.0);
        let out = &mut out[0];
        let cells = node.cell..node.cell + half_space_trees::CELLS;
        for at in 0..length {
            out[at] = f64::NAN;
            self.row.clear();
            self.row
                .extend(node.features.iter().map(|column| numbers[column.0][at]));
            if by[at] == 0 || self.row.iter().all(|value| value.is_nan()) {
                continue;
            }
            let slot = &mut shared.slots[at];
            if *slot == NONE && table.has_grown() {
                *slot = table.find(by[at]);
            }
            if asked[at] {
                let kept = (*slot != NONE).then(|| &table.cells(*slot)[cells.clone()]);
                match kept.filter(|cells| node.forest.is_supported(cells)) {
                    Some(cells) => out[at] = node.score(cells, table.spill(), &mut self.row),
                    None => asking.learning[at] = true,
                }
            }
            if counted[at] {
                *slot = table.visit(by[at], *slot, piece.row + at as u64, piece.times[at]);
                let (all, spill) = table.parts(*slot);
                node.forest.learn(&mut all[cells.clone()], spill, &self.row);
                table.charge(*slot);
            }
        }
    }

    /// Asks what stands outside.
    pub fn outside(
        &mut self,
        node: &OutsideNode,
        piece: &Piece<'_>,
        arenas: &mut Arenas,
        all: bool,
        flags: &Flags,
        outside: &mut Outer,
    ) {
        let length = piece.times.len();
        let (asked, counted) = (&mut self.asked[..length], &mut self.counted[..length]);
        mark_asked(&node.asked, all, arenas, asked);
        counted.fill(false);
        if let Some(remembered) = &node.remembered {
            remembered.mark(piece, arenas, flags, counted);
        }
        let (numbers, out) = arenas.numbers.split_at_mut(node.out.0);
        let by = node
            .remembered
            .map_or(&[][..], |kept| &arenas.ids[kept.by.0][..length]);
        let call = OutsideCall {
            function: node.function,
            operands: operands(
                &node.operands,
                numbers,
                (&arenas.logics, &arenas.ids),
                length,
            ),
            by,
            counted,
            asked,
            times: piece.times,
        };
        outside.answer(&call, &mut out[0][..length]);
    }

    fn teach(&mut self, number: usize, baseline: &Baseline, piece: &Piece<'_>, arenas: &Arenas) {
        let length = piece.times.len();
        let shared = &mut self.tables[baseline.pending];
        shared.find(self.pieces, arenas, length);
        let (keys, by, taught_by) = (
            &arenas.ids[shared.key.0],
            &arenas.ids[baseline.by.0],
            &arenas.ids[baseline.taught_by.0],
        );
        let counted = &arenas.logics[baseline.counted.0];
        let line = &mut self.lines[number];
        for at in 0..length {
            let known = keys[at] != 0 && by[at] != 0 && taught_by[at] != 0;
            if !known || counted[at] <= 0 || piece.late[at] {
                continue;
            }
            let Some(word) = said(
                baseline.value,
                &arenas.numbers,
                &arenas.ids,
                &arenas.logics,
                at,
            ) else {
                continue;
            };
            let (row, time) = (piece.row + at as u64, piece.times[at]);
            let slot = shared.table.visit(keys[at], shared.slots[at], row, time);
            shared.slots[at] = slot;
            let (cells, _) = shared.table.parts(slot);
            let cells = &mut cells[baseline.pending_cell..][..PENDING_CELLS];
            if cells[0] == 0 {
                cells.copy_from_slice(&[row + 1, word, by[at], taught_by[at], 0]);
                line.open = time / baseline.window;
                line.waiting.push((slot, row + 1));
            } else if baseline.state.is_better(word, cells[1], line.open) {
                cells[1] = word;
            }
        }
    }
}

/// What a row says to a baseline, as a word; none when it is missing.
#[inline]
fn said(
    value: Place,
    numbers: &[Vec<f64>],
    ids: &[Vec<u64>],
    logics: &[Vec<i8>],
    at: usize,
) -> Option<u64> {
    match value {
        Place::Number(column) => Some(numbers[column.0][at])
            .filter(|one| !one.is_nan())
            .map(f64::to_bits),
        Place::Id(column) => Some(ids[column.0][at]).filter(|&one| one != 0),
        Place::Logic(column) => Some(logics[column.0][at])
            .filter(|&one| one != 0)
            .map(|one| u64::from(one < 0)),
    }
}

/// Rows of a piece ask few keys and values, and nothing is learned inside a piece: answers are kept for a moment.
#[derive(Clone, Copy)]
struct Kept {
    slot: u32,
    word: u64,
    answer: f64,
}

fn answer(
    node: &Ask,
    baseline: &Baseline,
    shared: &Shared,
    asked: &[bool],
    arenas: &mut Arenas,
    asking: &mut Asking<'_>,
) {
    let (before, after) = arenas.numbers.split_at_mut(node.out.0);
    let (by, out) = (&arenas.ids[baseline.by.0], &mut after[0]);
    let (state, spill) = (baseline.state, shared.table.spill());
    let mut kept = [Kept {
        slot: NONE,
        word: 0,
        answer: 0.0,
    }; 16];
    for (at, &asked) in asked.iter().enumerate() {
        out[at] = f64::NAN;
        if !asked || by[at] == 0 {
            continue;
        }
        let word = if node.question.needs_value() {
            said(baseline.value, before, &arenas.ids, &arenas.logics, at)
        } else {
            Some(0)
        };
        let Some(word) = word else { continue };
        let slot = shared.slots[at];
        if slot == NONE {
            asking.learning[at] = true;
            continue;
        }
        let cells = &shared.table.cells(slot)[baseline.cell..][..state.cells()];
        if !state.is_supported(cells, spill) {
            asking.learning[at] = true;
            continue;
        }
        let place = &mut kept[((u64::from(slot) ^ word ^ word >> 47) % 16) as usize];
        if place.slot != slot || place.word != word {
            let answer = node.question.answer(cells, spill, word);
            *place = Kept { slot, word, answer };
        }
        out[at] = place.answer;
    }
}
