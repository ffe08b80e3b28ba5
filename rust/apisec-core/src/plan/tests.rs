use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Answers, ColumnMap, Data, Error, Plan, Rows, Wanted};
use crate::kernels::Kind;
use crate::table::Metrics;

const SECOND: i64 = 1_000_000_000;
const START: i64 = 1_700_000_000 * SECOND;
pub(super) const BOLA: &str = include_str!("../../tests/plans/bola.json");
pub(super) const CREDENTIALS: &str = include_str!("../../tests/plans/credentials.json");

pub(super) fn load(json: &str) -> Plan {
    match Plan::load(json) {
        Ok(plan) => plan,
        Err(error) => unreachable!("{error}"),
    }
}

fn refusal(json: &Value) -> String {
    match Plan::load(&json.to_string()) {
        Ok(_) => unreachable!("was not refused"),
        Err(Error(what)) => what,
    }
}

struct Draw(u64);

impl Draw {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// Rows with missing values, late ones, idle gaps, bursts of over 512 in a second, and of each key one that is much busier than the others.
pub(super) fn rows(plan: &Plan, seed: u64, length: usize) -> ColumnMap {
    let mut draw = Draw(seed);
    let (mut time, mut times, mut late) = (START, vec![], vec![]);
    for _ in 0..length {
        time += match draw.next(400) {
            0 => 65 * SECOND,
            1..20 => 700_000_000,
            20..60 => 20_000_000,
            _ => 1_000 * draw.next(2) as i64,
        };
        times.push(time);
        late.push(draw.next(20) == 0);
    }
    let mut columns = HashMap::new();
    for input in plan.inputs() {
        let keys = match input.name.as_str() {
            "object_id" => 500,
            "endpoint" => 3,
            _ => 40,
        };
        let column = match input.kind {
            Kind::Number => Data::Number(
                (0..length)
                    .map(|_| [f64::NAN, 0.0, 3.0, 12.5, 4e7][draw.next(5) as usize])
                    .collect(),
            ),
            Kind::Logic => Data::Logic(
                (0..length)
                    .map(|_| [1, 1, 1, 0, -1][draw.next(5) as usize])
                    .collect(),
            ),
            Kind::Id => Data::Id(
                (0..length)
                    .map(|_| {
                        let busy = keys == 40 && draw.next(8) == 0;
                        let number = if busy { 1 } else { draw.next(keys) };
                        number.wrapping_mul(0x9E37_79B9_7F4A_7C15)
                    })
                    .collect(),
            ),
        };
        columns.insert(input.name.clone(), column);
    }
    match ColumnMap::new(plan.inputs(), columns, times, late) {
        Ok(rows) => rows,
        Err(error) => unreachable!("{error}"),
    }
}

pub(super) fn run(plan: &mut Plan, rows: &dyn Rows, all: bool) -> Answers {
    let values: Vec<usize> = (0..14).collect();
    match plan.run(
        rows,
        Wanted {
            all,
            values: &values,
        },
    ) {
        Ok(answers) => answers,
        Err(error) => unreachable!("{error}"),
    }
}

pub(super) fn append(to: &mut Answers, mut piece: Answers, first: usize) {
    piece
        .raised
        .iter_mut()
        .for_each(|raised| raised.row += first);
    to.raised.extend(piece.raised);
    to.learning.extend(piece.learning);
    to.scores.resize(piece.scores.len(), Vec::new());
    to.scores
        .iter_mut()
        .zip(piece.scores)
        .for_each(|(to, piece)| to.extend(piece));
}

pub(super) fn metrics(plan: &Plan) -> Vec<Metrics> {
    plan.tables().map(|(_, metrics)| metrics).collect()
}

/// Everything a run tells, as text: NaN equals NaN.
fn told(plan: &Plan, answers: &Answers) -> String {
    format!(
        "{:?} {:?} {:?} {:?}",
        answers.raised,
        answers.scores,
        answers.learning,
        metrics(plan)
    )
}

#[test]
fn answers_and_tables_do_not_depend_on_the_cuts() {
    for (json, seed) in [
        (BOLA, 1),
        (CREDENTIALS, 2),
        (CREDENTIALS, 3),
        (CREDENTIALS, 4),
    ] {
        let mut plan = load(json);
        let rows = rows(&plan, seed, 6_000);
        let whole = run(&mut plan, &rows, true);
        let expected = told(&plan, &whole);
        assert!(
            !whole.raised.is_empty() && whole.learning.contains(&true),
            "seed {seed}"
        );
        for largest in [1, 7, 700, 3_000] {
            let (mut plan, mut draw, mut at, mut answers) =
                (load(json), Draw(seed + 50), 0, Answers::default());
            while at < rows.len() {
                let to = (at + 1 + draw.next(largest) as usize).min(rows.len());
                append(&mut answers, run(&mut plan, &rows.cut(at..to), true), at);
                at = to;
            }
            assert_eq!(told(&plan, &answers), expected);
        }
    }
}

#[test]
fn time_that_passes_without_rows_changes_no_answer() {
    for (json, seed) in [(BOLA, 5), (CREDENTIALS, 6), (CREDENTIALS, 7)] {
        let (mut quiet, mut told_time) = (load(json), load(json));
        let rows = rows(&quiet, seed, 6_000);
        let expected = run(&mut quiet, &rows, true);
        let mut answers = Answers::default();
        let (mut from, mut gaps) = (0, 0);
        for at in 1..=rows.len() {
            let gap = at < rows.len() && rows.time(at) - rows.time(at - 1) > SECOND;
            if !gap && at < rows.len() {
                continue;
            }
            append(
                &mut answers,
                run(&mut told_time, &rows.cut(from..at), true),
                from,
            );
            from = at;
            if gap {
                gaps += 1;
                let (last, next) = (rows.time(at - 1), rows.time(at));
                (1..8).for_each(|eighth| told_time.advance(last + (next - last) / 8 * eighth));
                told_time.advance(last);
            }
        }
        assert!(gaps > 5 && !expected.raised.is_empty(), "seed {seed}");
        assert_eq!(told(&told_time, &answers), told(&quiet, &expected));
    }
}

#[test]
fn a_window_closes_when_time_passes_without_rows() {
    let mut plan = load(BOLA);
    let usual: Vec<_> = (0..150)
        .map(|at| (at, 1 + at as u64 % 30, 1 + at as u64))
        .collect();
    run(&mut plan, &bola_rows(&usual), true);
    let taught = |plan: &Plan| metrics(plan)[1].entries;
    plan.advance(START + 399 * SECOND);
    assert_eq!(taught(&plan), 0);
    plan.advance(START + 400 * SECOND);
    assert_eq!(taught(&plan), 1);
}

#[test]
fn a_restart_keeps_baselines_and_nothing_else() {
    let mut plan = load(BOLA);
    let mut usual: Vec<_> = (0..150)
        .map(|at| (at, 1 + at as u64 % 30, 1 + at as u64))
        .collect();
    usual.extend((0..30).map(|at| (200, 99, 1_000 + at)));
    assert_eq!(run(&mut plan, &bola_rows(&usual), true).raised.len(), 10);
    plan.restart();
    assert_eq!(metrics(&plan)[0].entries, 0);
    let earlier: Vec<_> = (0..20).map(|at| (-90_000, 99, 2_000 + at)).collect();
    let again = run(&mut plan, &bola_rows(&earlier), true);
    assert!(again.raised.is_empty() && !again.learning.contains(&true));
    assert_eq!(again.values[7], Data::Number(vec![5.0; 20]));
}

#[test]
fn tables_stay_under_their_caps_and_evict() {
    let mut plan = load(CREDENTIALS);
    let rows = rows(&plan, 9, 20_000);
    run(&mut plan, &rows, false);
    let all = metrics(&plan);
    assert!(all.iter().any(|table| table.evicted > 0), "{all:?}");
    // What came since the last settle may lie over the cap: at most 512 rows.
    assert!(
        all.iter().all(|table| table.bytes < 20_000 + 512 * 400),
        "{all:?}"
    );
}

#[test]
fn masks_change_no_raised_row_and_no_table() {
    let (mut masked, mut asked) = (load(BOLA), load(BOLA));
    let rows = rows(&masked, 4, 5_000);
    let (with_masks, without) = (run(&mut masked, &rows, false), run(&mut asked, &rows, true));
    assert_eq!(
        format!("{:?}", with_masks.raised),
        format!("{:?}", without.raised)
    );
    assert_eq!(metrics(&masked), metrics(&asked));
    assert!(with_masks.scores.is_empty() && with_masks.learning.is_empty());
}

pub(super) fn bola_rows(rows: &[(i64, u64, u64)]) -> ColumnMap {
    let column = |name: &str, data: Data| (name.to_owned(), data);
    let columns = HashMap::from([
        column(
            "principal",
            Data::Id(rows.iter().map(|row| row.1 << 16).collect()),
        ),
        column("endpoint", Data::Id(vec![7 << 16; rows.len()])),
        column(
            "object_id",
            Data::Id(rows.iter().map(|row| row.2 << 16).collect()),
        ),
        column("succeeded", Data::Logic(vec![1; rows.len()])),
    ]);
    match ColumnMap::new(
        load(BOLA).inputs(),
        columns,
        rows.iter().map(|row| START + row.0 * SECOND).collect(),
        vec![],
    ) {
        Ok(rows) => rows,
        Err(error) => unreachable!("{error}"),
    }
}

#[test]
fn one_principal_reads_far_more_objects_than_thirty_others() {
    let mut plan = load(BOLA);
    let usual: Vec<_> = (0..150)
        .map(|at| (at, 1 + at as u64 % 30, 1 + at as u64))
        .collect();
    assert!(run(&mut plan, &bola_rows(&usual), true).raised.is_empty());
    let attack: Vec<_> = (0..40).map(|at| (700, 99, 1_000 + at)).collect();
    let raised = run(&mut plan, &bola_rows(&attack), true).raised;
    assert_eq!(raised.len(), 20);
    assert_eq!(
        (raised[0].row, raised[0].entity, raised[0].severity),
        (20, 99 << 16, 3)
    );
    assert_eq!(raised[0].evidence, vec![(21.0, 5.0)]);
    assert_eq!(raised[0].p, 1.0 / 31.0);
}

#[test]
fn a_flagged_teacher_does_not_teach() {
    let mut plan = load(BOLA);
    let mut usual: Vec<_> = (0..150)
        .map(|at| (at, 1 + at as u64 % 30, 1 + at as u64))
        .collect();
    usual.extend((0..500).map(|at| (200, 99, 1_000 + at)));
    let raised = run(&mut plan, &bola_rows(&usual), true).raised;
    assert_eq!(raised.len(), 480);
    assert_eq!(raised[0].p, 1e-4);
    let later = run(&mut plan, &bola_rows(&[(700, 98, 1)]), true);
    assert_eq!(later.learning, vec![false]);
    assert_eq!(later.values[7], Data::Number(vec![5.0]));
}

#[test]
fn refusals_say_which_node_and_what_is_wanted() {
    let with = |at: usize, change: &dyn Fn(&mut Value)| {
        let mut plan: Value = serde_json::from_str(BOLA).unwrap_or_default();
        change(&mut plan["nodes"][at]);
        refusal(&plan)
    };
    assert_eq!(
        with(6, &|node| node["args"][0] = json!(3)),
        "plan node 6 distinct: operand `of` is a condition, an id is wanted"
    );
    assert_eq!(
        with(6, &|node| node["args"][0] = json!(9)),
        "plan node 6 distinct: operand `of` is node 9, which does not come before"
    );
    assert_eq!(
        with(6, &|node| node["args"] = json!([2, 5])),
        "plan node 6 distinct: 3 operands (of, by, where) are wanted, there are 2"
    );
    assert_eq!(
        with(6, &|node| node["table"] = json!(1)),
        "plan node 6 distinct: operand `by` is not the key of table 1"
    );
    assert_eq!(
        with(6, &|node| node["table"] = json!(null)),
        "plan node 6 distinct: it names no table"
    );
    assert_eq!(
        with(6, &|node| node["settings"]["limit"] = json!(0)),
        "plan node 6 distinct: setting `limit` must be a whole number from 1 to 65536"
    );
    assert_eq!(
        with(7, &|node| node["settings"]["q"] = json!(1)),
        "plan node 7 quantile: setting `q` must be a number between 0 and 1"
    );
    assert!(
        with(7, &|node| node["settings"]["window"] = json!(1_500_000_000))
            .contains("multiple of a second")
    );
    assert_eq!(
        with(7, &|node| node["pending"] = json!(null)),
        "plan node 7 quantile: pending: it names no table"
    );
    assert_eq!(
        with(8, &|node| node["settings"]["value"] = json!("x")),
        "plan node 8 constant: setting `value` is no number"
    );
    assert_eq!(
        with(10, &|node| node["op"] = json!("power")),
        "plan node 10 power: no such operation"
    );
    assert_eq!(
        with(12, &|node| node["kind"] = json!("number")),
        "plan node 12 greater: node 12 is said to be of kind number, it is logic"
    );
    assert_eq!(
        with(13, &|node| node["asked"] = json!([6])),
        "plan node 13 tail: operand `asked` is a number, a condition is wanted"
    );
}

#[test]
fn refusals_of_signals_and_tables() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut plan: Value = serde_json::from_str(BOLA).unwrap_or_default();
        change(&mut plan);
        refusal(&plan)
    };
    let signal = "plan signal 0 bola_enumeration 0: ";
    assert_eq!(
        with(&|plan| plan["signals"][0]["when"] = json!(6)),
        format!("{signal}`when` is no condition")
    );
    assert_eq!(
        with(&|plan| plan["signals"][0]["p"] = json!(99)),
        format!("{signal}`p` is no number")
    );
    assert_eq!(
        with(&|plan| plan["signals"][0]["entity"] = json!(99)),
        format!("{signal}`entity` is no id")
    );
    assert_eq!(
        with(&|plan| plan["signals"][0]["q"] = json!(0.0)),
        format!("{signal}`q` must lie between 0 and 1")
    );
    assert_eq!(
        with(&|plan| plan["tables"][1]["expiry"] = json!(0)),
        "plan table 1: the expiry must be positive"
    );
    assert_eq!(
        with(&|plan| plan["version"] = json!(2)),
        "plan version 2 is not known, 1 is"
    );
    assert!(
        with(&|plan| plan["tables"][1]["key"] = json!(6)).contains("is not the key of table 1")
    );
    assert!(with(&|plan| plan["nodes"] = json!(3)).starts_with("plan: invalid type"));
}

/// Any change of any number or word in a good plan is either refused or runs.
#[test]
fn mutated_plans_never_panic() {
    let mut draw = Draw(1);
    for round in 0..4_000 {
        let source = if round % 2 == 0 { BOLA } else { CREDENTIALS };
        let mut text = source.to_owned().into_bytes();
        for _ in 0..=draw.next(2) {
            let at = draw.next(text.len() as u64) as usize;
            if text[at].is_ascii_digit() {
                text[at] = b'0' + draw.next(10) as u8;
            } else if text[at] == b',' && draw.next(4) == 0 {
                text[at] = b' ';
            }
        }
        let Ok(text) = String::from_utf8(text) else {
            continue;
        };
        if let Ok(mut plan) = Plan::load(&text) {
            let rows = rows(&plan, round, 60);
            assert!(
                plan.run(
                    &rows,
                    Wanted {
                        all: true,
                        values: &[]
                    }
                )
                .is_ok()
            );
        }
    }
}

/// Pointwise operations over a grid that holds every kind of missing.
#[test]
fn pointwise_operations_follow_kleene_and_skip_the_missing() {
    let grid = [f64::NAN, -2.0, 0.0, 3.0];
    let pairs: Vec<(f64, f64)> = grid
        .iter()
        .flat_map(|&a| grid.iter().map(move |&b| (a, b)))
        .collect();
    let number = |op: &str, expected: &dyn Fn(f64, f64) -> f64| {
        let Data::Number(found) = binary(op, "number", &pairs) else {
            unreachable!()
        };
        for (&(a, b), found) in pairs.iter().zip(found) {
            let wanted = expected(a, b);
            assert!(
                found == wanted || found.is_nan() && !wanted.is_finite(),
                "{op} {a} {b}: {found}"
            );
        }
    };
    number("add", &|a, b| a + b);
    number("divide", &|a, b| a / b);
    number("maximum", &f64::max);
    number("minimum", &f64::min);
    for (op, test) in [
        ("greater", (|a, b| a > b) as fn(f64, f64) -> bool),
        ("less_equal", |a, b| a <= b),
        ("not_equal", |a, b| a != b),
    ] {
        let Data::Logic(found) = binary(op, "logic", &pairs) else {
            unreachable!()
        };
        for (&(a, b), found) in pairs.iter().zip(found) {
            let wanted = if a.is_nan() || b.is_nan() {
                0
            } else if test(a, b) {
                1
            } else {
                -1
            };
            assert_eq!(found, wanted, "{op} {a} {b}");
        }
    }
}

fn binary(op: &str, kind: &str, pairs: &[(f64, f64)]) -> Data {
    let column = |name: &str| json!({"op": "column", "kind": "number", "settings": {"name": name}});
    let nodes = json!({"version": 1, "nodes": [column("a"), column("b"), {"op": op, "kind": kind, "args": [0, 1]}]});
    let mut plan = load(&nodes.to_string());
    let columns = HashMap::from([
        (
            "a".to_owned(),
            Data::Number(pairs.iter().map(|pair| pair.0).collect()),
        ),
        (
            "b".to_owned(),
            Data::Number(pairs.iter().map(|pair| pair.1).collect()),
        ),
    ]);
    let rows = ColumnMap::new(plan.inputs(), columns, vec![START; pairs.len()], vec![]);
    let Ok(mut answers) = rows.and_then(|rows| {
        plan.run(
            &rows,
            Wanted {
                all: true,
                values: &[2],
            },
        )
    }) else {
        unreachable!()
    };
    answers.values.remove(0)
}
