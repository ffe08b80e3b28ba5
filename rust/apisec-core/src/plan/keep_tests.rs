use serde_json::{Value, json};

use super::tests::{BOLA, CREDENTIALS, append, bola_rows, load, metrics, rows, run};
use super::{Answers, Plan, Rows};
use crate::kernels::baseline;
use crate::snapshot::{self, Keeps};

/// The plan with identities, as Python gives them; `changed` gives the nodes of one op another one.
fn named(text: &str, changed: &str) -> String {
    let Ok(mut plan) = serde_json::from_str::<Value>(text) else {
        unreachable!("no plan")
    };
    for node in plan["nodes"].as_array_mut().into_iter().flatten() {
        let op = node["op"].as_str().unwrap_or_default();
        let asks = matches!(op, "quantile" | "tail");
        let name = if asks { "baseline" } else { op };
        let version = if op == changed { "2" } else { "" };
        let identity = format!(
            "{name} {} {}{version}",
            node["args"], node["settings"]["within"]
        );
        node["identity"] = json!(identity);
    }
    plan.to_string()
}

fn shards(plan: &Plan) -> Vec<Vec<u8>> {
    let (mut at, mut shards) = (plan.start(), vec![]);
    while let Some(shard) = snapshot::shard(plan, &mut at) {
        shards.push(shard);
    }
    shards
}

fn back(spec: &str, shards: &[Vec<u8>]) -> (Plan, Vec<String>) {
    let mut plan = load(spec);
    for shard in shards {
        assert_eq!(snapshot::load(&mut plan, shard), Ok(true));
    }
    let cold = plan.loaded();
    (plan, cold)
}

fn held(plan: &Plan) -> Vec<(u64, u64)> {
    let of = |metrics: crate::table::Metrics| (metrics.entries, metrics.bytes);
    metrics(plan).into_iter().map(of).collect()
}

fn answered(answers: &Answers) -> String {
    format!(
        "{:?} {:?} {:?}",
        answers.raised, answers.scores, answers.learning
    )
}

#[test]
fn a_plan_restored_before_any_row_answers_as_if_it_had_not_stopped() {
    for (text, seed) in [(BOLA, 31), (CREDENTIALS, 32), (CREDENTIALS, 33)] {
        let spec = named(text, "");
        let mut plan = load(&spec);
        let rows = rows(&plan, seed, 6_000);
        let whole = run(&mut plan, &rows, true);
        assert!(!whole.raised.is_empty());
        for cut in (0..rows.len()).step_by(331) {
            let (mut first, mut answers) = (load(&spec), Answers::default());
            append(&mut answers, run(&mut first, &rows.cut(0..cut), true), 0);
            let (mut second, cold) = back(&spec, &shards(&first));
            assert_eq!(cold, [""; 0]);
            let rest = run(&mut second, &rows.cut(cut..rows.len()), true);
            append(&mut answers, rest, cut);
            assert_eq!(
                answered(&answers),
                answered(&whole),
                "seed {seed} cut {cut}"
            );
            assert_eq!(held(&second), held(&plan));
        }
    }
}

#[test]
fn what_is_unchanged_is_kept_and_the_rest_begins_cold() {
    let (spec, other) = (named(CREDENTIALS, ""), named(CREDENTIALS, "distinct"));
    let mut plan = load(&spec);
    let rows = rows(&plan, 34, 6_000);
    run(&mut plan, &rows.cut(0..4_000), true);
    let (mut changed, cold) = back(&other, &shards(&plan));
    assert_eq!(cold, ["distinct [1,0,2] 600000000002"]);
    assert_eq!(
        changed.keyed.tables[0].table.metrics().entries,
        held(&plan)[0].0
    );
    let next = rows.cut(4_000..4_400);
    let (ours, theirs) = (run(&mut plan, &next, true), run(&mut changed, &next, true));
    assert_eq!(
        format!("{:?}", ours.values[11]),
        format!("{:?}", theirs.values[11]),
        "count"
    );
    assert_ne!(
        format!("{:?}", ours.values[12]),
        format!("{:?}", theirs.values[12]),
        "distinct"
    );
}

#[test]
fn a_window_that_closes_while_a_snapshot_is_taken_teaches_once() {
    let spec = named(BOLA, "");
    let usual: Vec<_> = (0..150)
        .map(|at| (at, 1 + at as u64 % 30, 1 + at as u64))
        .collect();
    let taught = |plan: &Plan| -> u64 {
        let table = &plan.keyed.tables[1].table;
        let slot = table.find(7 << 16);
        let cell = plan.baselines[0].cell;
        if slot == crate::table::NONE {
            return 0;
        }
        table.cells(slot)[cell..cell + baseline::CELLS][2]
    };
    for closes_after in 0..=4 {
        let mut plan = load(&spec);
        run(&mut plan, &bola_rows(&usual), true);
        let end = plan.time + 600_000_000_000;
        let (mut at, mut saved) = (plan.start(), vec![]);
        loop {
            if saved.len() == closes_after {
                plan.advance(end);
            }
            match snapshot::shard(&plan, &mut at) {
                Some(shard) => saved.push(shard),
                None => break,
            }
        }
        let (mut restored, _) = back(&spec, &saved);
        restored.advance(end);
        plan.advance(end);
        assert_eq!(taught(&plan), 30);
        assert_eq!(taught(&restored), 30, "closed after {closes_after} shards");
    }
}

#[test]
fn damaged_shards_give_an_error_or_a_plan_that_runs() {
    let spec = named(CREDENTIALS, "");
    let mut plan = load(&spec);
    let rows = rows(&plan, 35, 400);
    run(&mut plan, &rows.cut(0..200), true);
    for shard in shards(&plan) {
        for length in 0..shard.len() {
            assert!(snapshot::load(&mut load(&spec), &shard[..length]).is_err());
        }
        for at in (0..shard.len()).step_by(3) {
            let mut flipped = shard.clone();
            flipped[at] ^= 0x41;
            let mut read = load(&spec);
            if snapshot::load(&mut read, &flipped) == Ok(true) {
                read.loaded();
                run(&mut read, &rows.cut(200..400), true);
            }
        }
    }
}
