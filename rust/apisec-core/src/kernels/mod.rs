//! Kernels: what remembers. A kernel keeps a few words in an entry of a keyed table, and zero words are its beginning.
//!
//! No clock, no randomness, no allocation outside the spill; a step never fails, what can fail fails in `build`.
//! A new tally is one file here and one line in `kernels!`.

pub mod always;
pub mod baseline;
pub mod conduct;
pub mod fit;
pub mod half_space_trees;
pub mod learned;
pub mod novelty;
pub mod surprise;
pub mod window;

use serde_json::{Map, Value};

pub use crate::table::Spill;
use crate::table::{NONE, Table};
pub use window::Moment;

/// Rows of one call at most.
pub const PIECE: usize = 512;

/// The kinds of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// f64, NaN is missing.
    Number,
    /// i8: 1 true, -1 false, 0 unknown.
    Logic,
    /// u64, 0 is missing.
    Id,
}

/// A kernel's settings as the plan gives them.
pub struct Settings<'a>(pub &'a Map<String, Value>);

impl Settings<'_> {
    /// A whole number between two bounds.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub fn integer(&self, name: &str, least: i64, most: i64) -> Result<i64, String> {
        match self.0.get(name).and_then(Value::as_i64) {
            Some(value) if (least..=most).contains(&value) => Ok(value),
            _ => Err(format!(
                "setting `{name}` must be a whole number from {least} to {most}"
            )),
        }
    }

    /// A list of values of one kind.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub fn list<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Vec<T>, String> {
        let given = self.0.get(name).cloned().unwrap_or_default();
        serde_json::from_value(given)
            .map_err(|error| format!("setting `{name}` must be a list: {error}"))
    }

    /// A finite number, or what is usual when it is not given.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub fn number(&self, name: &str, usual: Option<f64>) -> Result<f64, String> {
        let given = match self.0.get(name) {
            None | Some(Value::Null) => usual,
            Some(value) => value.as_f64(),
        };
        given
            .filter(|value| value.is_finite())
            .ok_or_else(|| format!("setting `{name}` must be a number"))
    }
}

/// A value a tally takes from its row.
pub trait Operand: Copy + 'static {
    /// Its kind; none when the tally takes nothing but the row.
    const KIND: Option<Kind>;
    /// Whether the row has it.
    fn is_known(self) -> bool;
    /// The column it is read from.
    fn column<'a>(columns: &Operands<'a>) -> &'a [Self];
}

/// The column of an operand.
#[derive(Clone, Copy)]
pub enum Operands<'a> {
    /// The row itself.
    Row,
    /// Numbers.
    Number(&'a [f64]),
    /// Conditions.
    Logic(&'a [i8]),
    /// Ids.
    Id(&'a [u64]),
}

macro_rules! operand {
    ($type:ty, $kind:expr, $pattern:pat => $column:expr, $value:ident => $known:expr) => {
        impl Operand for $type {
            const KIND: Option<Kind> = $kind;
            #[inline]
            fn is_known(self) -> bool {
                let $value = self;
                $known
            }
            fn column<'a>(columns: &Operands<'a>) -> &'a [Self] {
                match *columns {
                    $pattern => $column,
                    _ => &[],
                }
            }
        }
    };
}

/// What a tally answers: a number, or one of the ids that it was shown.
pub trait Answer: Copy + 'static {
    /// Its kind.
    const KIND: Kind;
    /// No answer.
    const MISSING: Self;
    /// Its bits, to compare.
    fn bits(self) -> u64;
    /// The column it is written to.
    fn column<'a>(out: &'a mut Out<'_>) -> &'a mut [Self];
}

/// The column of an answer.
pub enum Out<'a> {
    /// Numbers.
    Number(&'a mut [f64]),
    /// Ids.
    Id(&'a mut [u64]),
}

impl Answer for f64 {
    const KIND: Kind = Kind::Number;
    const MISSING: Self = Self::NAN;
    fn bits(self) -> u64 {
        self.to_bits()
    }
    fn column<'a>(out: &'a mut Out<'_>) -> &'a mut [Self] {
        match out {
            Out::Number(column) => column,
            Out::Id(_) => &mut [],
        }
    }
}

impl Answer for u64 {
    const KIND: Kind = Kind::Id;
    const MISSING: Self = 0;
    fn bits(self) -> u64 {
        self
    }
    fn column<'a>(out: &'a mut Out<'_>) -> &'a mut [Self] {
        match out {
            Out::Id(column) => column,
            Out::Number(_) => &mut [],
        }
    }
}

operand!((), None, Operands::Row => &[(); PIECE], _row => true);
operand!(f64, Some(Kind::Number), Operands::Number(column) => column, value => !value.is_nan());
operand!(i8, Some(Kind::Logic), Operands::Logic(column) => column, value => value != 0);
operand!(u64, Some(Kind::Id), Operands::Id(column) => column, value => value != 0);

/// A kernel that counts rows and answers of its key alone: with the row counted, or of those before it.
pub trait Tally: Sized {
    /// What it takes from a row.
    type Operand: Operand;
    /// What it answers.
    type Answer: Answer;
    /// What the declaration calls it; empty when it takes nothing.
    const OPERAND: &'static str;
    /// Words it keeps in an entry.
    const CELLS: usize;
    /// Whether its first cell is a handle into the spill.
    const SPILLS: bool = false;
    /// Whether it answers first, of the rows before.
    const FIRST: bool = false;
    /// The answer where nothing is kept, as of zero cells.
    const FRESH: Self::Answer;

    /// Reads the settings.
    ///
    /// # Errors
    /// A sentence that names the setting.
    fn build(settings: &Settings<'_>) -> Result<Self, String>;
    /// What the kernel needs of a row's time; `before` is that of the row before.
    fn moment(&self, time: i64, before: Moment) -> Moment;
    /// Counts a row.
    fn count(&self, cells: &mut [u64], spill: &mut Spill, now: Moment, operand: Self::Operand);
    /// Answers as of now and changes nothing; of zero cells the answer is `FRESH`.
    fn answer(&self, cells: &[u64], spill: &Spill, now: Moment) -> Self::Answer;
    /// Answers a row that has this operand; only where the answer depends on it.
    #[inline]
    fn answer_to(
        &self,
        cells: &[u64],
        spill: &Spill,
        now: Moment,
        _: Self::Operand,
    ) -> Self::Answer {
        self.answer(cells, spill, now)
    }
}

/// The rows of one call, column by column, all of one length.
pub struct Piece<'a> {
    /// Number of the first row since the plan began.
    pub row: u64,
    /// Stream time, ns, not decreasing.
    pub times: &'a [i64],
    /// Rows that are asked and never counted.
    pub late: &'a [bool],
}

/// What one tally reads and where its entries are.
pub struct Call<'a> {
    /// Keys.
    pub by: &'a [u64],
    /// Rows to remember.
    pub counted: &'a [i8],
    /// The operand.
    pub operands: Operands<'a>,
    /// Rows that want the answer.
    pub asked: &'a [bool],
    /// First cell of the kernel in an entry.
    pub cell: usize,
}

/// Counts and answers a piece, row after row.
fn run<K: Tally>(
    kernel: &K,
    piece: &Piece<'_>,
    call: &Call<'_>,
    table: &mut Table,
    slots: &mut [u32],
    out: &mut Out<'_>,
) {
    let out = K::Answer::column(out);
    let operands = K::Operand::column(&call.operands);
    let cells = call.cell..call.cell + K::CELLS;
    let mut moment = Moment::default();
    let length = piece.times.len().min(operands.len()).min(out.len());
    for at in 0..length {
        let (key, operand) = (call.by[at], operands[at]);
        let counts = call.counted[at] > 0 && !piece.late[at] && operand.is_known();
        out[at] = K::Answer::MISSING;
        if key == 0 || !(counts || call.asked[at]) {
            continue;
        }
        moment = kernel.moment(piece.times[at], moment);
        if K::FIRST && call.asked[at] {
            out[at] = answer(
                kernel,
                key,
                &mut slots[at],
                &cells,
                table,
                (moment, operand),
            );
        }
        if counts {
            let slot = table.visit(key, slots[at], piece.row + at as u64, moment.time);
            slots[at] = slot;
            let (all, spill) = table.parts(slot);
            kernel.count(&mut all[cells.clone()], spill, moment, operand);
            if K::SPILLS {
                table.charge(slot);
            }
        }
        if !K::FIRST && call.asked[at] {
            out[at] = answer(
                kernel,
                key,
                &mut slots[at],
                &cells,
                table,
                (moment, operand),
            );
        }
    }
}

/// An entry may have been made by an earlier row of the piece, after the slots were looked up.
#[inline]
fn answer<K: Tally>(
    kernel: &K,
    key: u64,
    slot: &mut u32,
    cells: &std::ops::Range<usize>,
    table: &Table,
    (now, operand): (Moment, K::Operand),
) -> K::Answer {
    if *slot == NONE && table.has_grown() {
        *slot = table.find(key);
    }
    if *slot == NONE {
        return K::FRESH;
    }
    let kept = &table.cells(*slot)[cells.clone()];
    kernel.answer_to(kept, table.spill(), now, operand)
}

/// What is published of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// Its name, which is the node's op.
    pub name: &'static str,
    /// What its operand is called, empty when it has none.
    pub operand: &'static str,
    /// The operand's kind.
    pub kind: Option<Kind>,
    /// Words in an entry.
    pub cells: usize,
    /// Whether its first cell is a handle.
    pub spills: bool,
    /// The kind of its answer.
    pub answer: Kind,
}

macro_rules! kernels {
    ($($module:ident::$name:ident),* $(,)?) => {
        $(pub mod $module;)*

        /// A tally of a plan.
        #[derive(Clone, Copy, Debug)]
        pub enum Kernel {
            $(#[doc = concat!("`", stringify!($module), "`")] $name($module::$name)),*
        }

        /// Every tally.
        pub const TALLIES: &[Declaration] = &[$(Declaration {
            name: stringify!($module),
            operand: <$module::$name as Tally>::OPERAND,
            kind: <<$module::$name as Tally>::Operand as Operand>::KIND,
            cells: <$module::$name as Tally>::CELLS,
            spills: <$module::$name as Tally>::SPILLS,
            answer: <<$module::$name as Tally>::Answer as Answer>::KIND,
        }),*];

        impl Kernel {
            /// The kernel of a name.
            ///
            /// # Errors
            /// A sentence that names the setting, or says that there is no such kernel.
            pub fn build(name: &str, settings: &Settings<'_>) -> Result<Self, String> {
                match name {
                    $(stringify!($module) => $module::$name::build(settings).map(Self::$name),)*
                    _ => Err("no such kernel".into()),
                }
            }

            /// Words in an entry.
            pub fn cells(&self) -> usize {
                match self { $(Self::$name(_) => <$module::$name as Tally>::CELLS,)* }
            }

            /// Whether its first cell is a handle into the spill.
            pub fn spills(&self) -> bool {
                match self { $(Self::$name(_) => <$module::$name as Tally>::SPILLS,)* }
            }

            /// Counts and answers a piece.
            pub fn run(&self, piece: &Piece<'_>, call: &Call<'_>, table: &mut Table, slots: &mut [u32], out: &mut Out<'_>) {
                match self {
                    $(Self::$name(kernel) => run(kernel, piece, call, table, slots, out),)*
                }
            }
        }

        #[cfg(test)]
        mod generated {
            $(mod $module {
                type Tested = super::super::$module::$name;
                #[test] fn any_cut_answers_alike() { crate::kernels::laws::any_cut::<Tested>(); }
                #[test] fn cells_are_the_whole_state() { crate::kernels::laws::whole_state::<Tested>(); }
                #[test] fn a_snapshot_is_the_whole_state() { crate::kernels::laws::snapshot::<Tested>(); }
                #[test] fn zero_cells_are_the_beginning() { crate::kernels::laws::zero_is_fresh::<Tested>(); }
                #[test] fn other_keys_change_nothing() { crate::kernels::laws::other_keys::<Tested>(); }
                #[test] fn masked_rows_count_alike() { crate::kernels::laws::masked::<Tested>(); }
            })*
        }
    };
}

kernels! {
    count::Count,
    total::Total,
    distinct::Distinct,
    trw::Trw,
    owner::Owner,
    streak::Streak,
    last::Last,
    last_id::LastId,
    since::Since,
}

#[cfg(test)]
pub(crate) mod laws;
