//! Laws every tally obeys, run for each by `kernels!` over rows drawn from a fixed sequence.

use serde_json::{Map, Value, json};

use super::{Answer, Call, Kind, Operand, Operands, Out, PIECE, Piece, Settings, Tally, run};
use crate::snapshot::{Sink, Source};
use crate::table::snapshot::Section;
use crate::table::{NONE, Table};

const ROWS: usize = 400;

/// A sequence without chance: the same in each run.
pub struct Draw(pub u64);

impl Draw {
    pub fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

struct Stream {
    times: Vec<i64>,
    late: Vec<bool>,
    by: Vec<u64>,
    counted: Vec<i8>,
    asked: Vec<bool>,
    numbers: Vec<f64>,
    logics: Vec<i8>,
    ids: Vec<u64>,
}

fn stream(seed: u64) -> Stream {
    let mut draw = Draw(seed);
    let mut time = 1_700_000_000_000_000_000;
    let mut stream = Stream {
        times: vec![],
        late: vec![],
        by: vec![],
        counted: vec![],
        asked: vec![true; ROWS],
        numbers: vec![],
        logics: vec![],
        ids: vec![],
    };
    for _ in 0..ROWS {
        time += [0, 1_000, 300_000_000, 2_000_000_000, 9_000_000_000][draw.next(5) as usize];
        stream.times.push(time);
        stream.late.push(draw.next(9) == 0);
        stream.by.push(draw.next(5) << 20);
        stream.counted.push([1, 1, 1, 0, -1][draw.next(5) as usize]);
        stream
            .numbers
            .push([f64::NAN, 0.1, 5.0, -2.5, 1e9][draw.next(5) as usize]);
        stream.logics.push([1, -1, 0][draw.next(3) as usize]);
        stream.ids.push(draw.next(12) << 16);
    }
    stream
}

fn build<K: Tally>() -> K {
    let settings = json!({"within": 8_000_000_000_i64, "limit": 6, "normal": 0.1, "attack": 0.6, "half_life": 5_000_000_000_i64});
    let settings: Map<String, Value> = settings.as_object().cloned().unwrap_or_default();
    match K::build(&Settings(&settings)) {
        Ok(kernel) => kernel,
        Err(error) => unreachable!("{error}"),
    }
}

fn table<K: Tally>() -> Table {
    Table::new(
        K::CELLS,
        if K::SPILLS { vec![0] } else { vec![] },
        1 << 20,
        1 << 50,
    )
}

fn operands<K: Tally>(stream: &Stream, at: usize, to: usize) -> Operands<'_> {
    match K::Operand::KIND {
        None => Operands::Row,
        Some(Kind::Number) => Operands::Number(&stream.numbers[at..to]),
        Some(Kind::Logic) => Operands::Logic(&stream.logics[at..to]),
        Some(Kind::Id) => Operands::Id(&stream.ids[at..to]),
    }
}

fn step<K: Tally>(
    kernel: &K,
    stream: &Stream,
    at: usize,
    to: usize,
    table: &mut Table,
    out: &mut Vec<u64>,
) {
    let mut slots = vec![NONE; to - at];
    table.find_all(&stream.by[at..to], &mut slots);
    let (mut numbers, mut ids) = (vec![0.0; to - at], vec![0; to - at]);
    let mut answers = match K::Answer::KIND {
        Kind::Id => Out::Id(&mut ids),
        _ => Out::Number(&mut numbers),
    };
    let piece = Piece {
        row: at as u64,
        times: &stream.times[at..to],
        late: &stream.late[at..to],
    };
    let (by, counted, asked) = (
        &stream.by[at..to],
        &stream.counted[at..to],
        &stream.asked[at..to],
    );
    let call = Call {
        by,
        counted,
        operands: operands::<K>(stream, at, to),
        asked,
        cell: 0,
    };
    run(kernel, &piece, &call, table, &mut slots, &mut answers);
    match answers {
        Out::Number(numbers) => out.extend(numbers.iter().map(|number| number.to_bits())),
        Out::Id(ids) => out.extend_from_slice(ids),
    }
}

fn whole<K: Tally>(kernel: &K, stream: &Stream) -> Vec<u64> {
    let (mut table, mut out) = (table::<K>(), vec![]);
    const { assert!(ROWS <= PIECE) };
    step(kernel, stream, 0, ROWS, &mut table, &mut out);
    out
}

pub fn any_cut<K: Tally>() {
    for seed in 0..20 {
        let (kernel, stream, mut draw) = (build::<K>(), stream(seed), Draw(seed + 100));
        let (mut table, mut out, mut at) = (table::<K>(), vec![], 0);
        while at < ROWS {
            let to = (at + 1 + draw.next(40) as usize).min(ROWS);
            step(&kernel, &stream, at, to, &mut table, &mut out);
            at = to;
        }
        assert_eq!(out, whole(&kernel, &stream));
    }
}

/// Half of the stream, then only cells and lists move to another table, then the rest: the same answers.
pub fn whole_state<K: Tally>() {
    let (kernel, stream) = (build::<K>(), stream(7));
    let (mut before, mut after, mut out) = (table::<K>(), table::<K>(), vec![]);
    step(&kernel, &stream, 0, ROWS / 2, &mut before, &mut out);
    for key in (1..5).map(|key| key << 20) {
        let old = before.find(key);
        if old == NONE {
            continue;
        }
        let new = after.visit(key, NONE, 0, 0);
        let (cells, spill) = after.parts(new);
        cells.copy_from_slice(before.cells(old));
        if K::SPILLS {
            let list = before.spill().list(cells[0]).to_vec();
            cells[0] = 0;
            spill.insert(&mut cells[0], 0, &list);
            after.charge(new);
        }
    }
    step(&kernel, &stream, ROWS / 2, ROWS, &mut after, &mut out);
    assert_eq!(out, whole(&kernel, &stream));
}

/// The stream, with the table written to a snapshot and read back before any of its rows: the same answers.
pub fn snapshot<K: Tally>() {
    let (kernel, stream) = (build::<K>(), stream(17));
    for cut in (0..ROWS).step_by(7) {
        let (mut table, mut out) = (table::<K>(), vec![]);
        step(&kernel, &stream, 0, cut, &mut table, &mut out);
        let mut table = reread(&table, super::laws::table::<K>(), K::CELLS, K::SPILLS);
        step(&kernel, &stream, cut, ROWS, &mut table, &mut out);
        assert_eq!(out, whole(&kernel, &stream), "{cut}");
    }
}

fn reread(table: &Table, mut into: Table, cells: usize, spills: bool) -> Table {
    let sections = [Section {
        identity: "tested".into(),
        cell: 0,
        cells,
        spills,
    }];
    let mut copying = table.start_copy();
    loop {
        let mut sink = Sink::default();
        if !table.copy(&mut copying, &sections, &mut sink) {
            break into;
        }
        let bytes = sink.into_bytes();
        let read = into.load(&sections, &mut Source::of(&bytes));
        assert!(read.is_ok());
    }
}

pub fn zero_is_fresh<K: Tally>() {
    let (kernel, mut stream) = (build::<K>(), stream(3));
    stream.counted.fill(0);
    for (key, answer) in stream.by.iter().zip(whole(&kernel, &stream)) {
        let expected = if *key == 0 {
            K::Answer::MISSING
        } else {
            K::FRESH
        };
        assert_eq!(answer, expected.bits());
    }
    let table = table::<K>();
    let zero = vec![0; K::CELLS];
    let now = kernel.moment(1_700_000_000_000_000_000, super::Moment::default());
    let answer = kernel.answer(&zero, table.spill(), now);
    assert_eq!(answer.bits(), K::FRESH.bits());
}

pub fn other_keys<K: Tally>() {
    let (kernel, full) = (build::<K>(), stream(11));
    let mut alone = stream(11);
    for (key, counted) in alone.by.iter().zip(&mut alone.counted) {
        if *key != 1 << 20 {
            *counted = 0;
        }
    }
    let (full_answers, alone_answers) = (whole(&kernel, &full), whole(&kernel, &alone));
    for at in (0..ROWS).filter(|&at| full.by[at] == 1 << 20) {
        assert_eq!(full_answers[at], alone_answers[at]);
    }
}

pub fn masked<K: Tally>() {
    let (kernel, full) = (build::<K>(), stream(13));
    let (mut masked, mut draw) = (stream(13), Draw(5));
    masked
        .asked
        .iter_mut()
        .for_each(|asked| *asked = draw.next(2) == 0);
    let (full_answers, masked_answers) = (whole(&kernel, &full), whole(&kernel, &masked));
    for at in 0..ROWS {
        let expected = if masked.asked[at] {
            full_answers[at]
        } else {
            K::Answer::MISSING.bits()
        };
        assert_eq!(masked_answers[at], expected);
    }
}
