//! Nodes that are not native: the plan is cut in stages there, and what stands outside is asked once a piece.

use super::columns::Arenas;
use super::flags::Flags;
use super::node::{IdAt, LogicAt, Place};
use crate::kernels::{Operands, Piece};

/// One node's question over a piece: all columns are of one length.
pub struct Call<'a> {
    /// Which of the functions is asked.
    pub function: usize,
    /// What it reads.
    pub operands: Vec<Operands<'a>>,
    /// Keys; empty where the function keeps nothing.
    pub by: &'a [u64],
    /// Rows that are remembered.
    pub counted: &'a [bool],
    /// Rows that want the answer.
    pub asked: &'a [bool],
    /// Stream time, ns.
    pub times: &'a [i64],
}

/// What answers outside of the plan. It must not depend on where a piece ends.
pub trait Outside: Send {
    /// Writes an answer for each row; NaN is missing, and so is infinity.
    fn answer(&mut self, call: &Call<'_>, out: &mut [f64]);
}

/// What stands outside, if there is anything.
#[derive(Default)]
pub struct Outer(pub Option<Box<dyn Outside>>);

impl std::fmt::Debug for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Outer({})", self.0.is_some())
    }
}

impl Outer {
    pub fn answer(&mut self, call: &Call<'_>, out: &mut [f64]) {
        out.fill(f64::NAN);
        if let Some(outside) = &mut self.0 {
            outside.answer(call, out);
            out.iter_mut()
                .for_each(|value| *value = if value.is_finite() { *value } else { f64::NAN });
        }
    }
}

/// Which rows a node remembers.
#[derive(Clone, Copy, Debug)]
pub struct Remembered {
    pub by: IdAt,
    /// Who teaches it, where flagged entities must not.
    pub taught_by: Option<IdAt>,
    pub counted: LogicAt,
}

impl Remembered {
    pub fn mark(&self, piece: &Piece<'_>, arenas: &Arenas, flags: &Flags, marks: &mut [bool]) {
        let (by, counted) = (&arenas.ids[self.by.0], &arenas.logics[self.counted.0]);
        for (at, mark) in marks.iter_mut().enumerate() {
            *mark = counted[at] > 0 && by[at] != 0 && !piece.late[at];
        }
        let Some(taught_by) = self.taught_by else {
            return;
        };
        for (at, mark) in marks.iter_mut().enumerate() {
            let teacher = arenas.ids[taught_by.0][at];
            *mark &= teacher != 0 && !flags.holds(teacher, piece.times[at]);
        }
    }
}

/// Columns of a piece that stand before number column `end`.
pub fn operands<'a>(
    places: &[Place],
    numbers: &'a [Vec<f64>],
    arenas: (&'a [Vec<i8>], &'a [Vec<u64>]),
    length: usize,
) -> Vec<Operands<'a>> {
    let operand = |place: &Place| match *place {
        Place::Number(at) => Operands::Number(&numbers[at.0][..length]),
        Place::Logic(at) => Operands::Logic(&arenas.0[at.0][..length]),
        Place::Id(at) => Operands::Id(&arenas.1[at.0][..length]),
    };
    places.iter().map(operand).collect()
}
