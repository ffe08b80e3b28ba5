//! Time a row of 23 detectors at several batch sizes: `cargo run --release --example plan_bench [rows a call]`.
#![allow(clippy::print_stdout)]

use std::collections::HashMap;
use std::time::Instant;

use apisec_core::kernels::Kind;
use apisec_core::plan::{ColumnMap, Data, Error, Input, Plan, Wanted};

const PLAN: &str = include_str!("detectors.json");

/// A sequence without chance.
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

fn id(kind: u64, number: u64) -> u64 {
    (kind << 40 | (number + 1)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// A principal has its own client and about 20 objects at each endpoint; few rows fail.
fn column(input: &Input, people: &[u64], endpoints: &[u64], draw: &mut Draw) -> Data {
    let each = |name: &str, person: u64, endpoint: u64, draw: &mut Draw| match name {
        "principal" | "actor" => id(1, person),
        "client" | "credential" | "session" => id(2, person),
        "endpoint" | "route" => id(3, endpoint),
        "path" => id(4, (endpoint << 20) | (person * 20 + draw.next(20))),
        "object_id" => id(5, person * 20 + draw.next(20)),
        _ => id(6, draw.next(3)),
    };
    let rows = people.iter().zip(endpoints);
    match input.kind {
        Kind::Id => Data::Id(
            rows.map(|(&person, &endpoint)| each(&input.name, person, endpoint, draw))
                .collect(),
        ),
        Kind::Number => Data::Number(rows.map(|_| draw.next(5_000) as f64).collect()),
        Kind::Logic => {
            let often = if matches!(input.name.as_str(), "succeeded" | "authenticated") {
                97
            } else {
                3
            };
            Data::Logic(
                rows.map(|_| if draw.next(100) < often { 1 } else { -1 })
                    .collect(),
            )
        }
    }
}

/// Rows of 10,000 principals; popular endpoints come more often.
fn rows(plan: &Plan, length: usize, per_second: i64) -> Result<ColumnMap, Error> {
    let mut draw = Draw(1);
    let people: Vec<u64> = (0..length).map(|_| draw.next(10_000)).collect();
    let endpoints: Vec<u64> = (0..length)
        .map(|_| draw.next(60).min(draw.next(60)).min(draw.next(60)))
        .collect();
    let mut columns = HashMap::new();
    for input in plan.inputs() {
        columns.insert(
            input.name.clone(),
            column(input, &people, &endpoints, &mut draw),
        );
    }
    let times = (0..length as i64)
        .map(|row| 1_700_000_000_000_000_000 + row * (1_000_000_000 / per_second))
        .collect();
    ColumnMap::new(plan.inputs(), columns, times, Vec::new())
}

fn main() -> Result<(), Error> {
    let only = std::env::args()
        .nth(1)
        .and_then(|size| size.parse::<usize>().ok());
    for batch in [1, 32, 512, 8_192] {
        if only.is_some_and(|only| only != batch) {
            continue;
        }
        let (total, mut plan) = (1 << 19, Plan::load(PLAN)?);
        let all = rows(&plan, total, 20_000)?;
        let (mut spent, mut raised) = (Vec::new(), 0);
        for at in 0..total / batch {
            let rows = all.cut(at * batch..(at + 1) * batch);
            let start = Instant::now();
            raised += plan.run(&rows, Wanted::default())?.raised.len();
            spent.push(start.elapsed().as_nanos() as usize / batch);
        }
        spent.drain(..spent.len() / 4);
        let mean = spent.iter().sum::<usize>() / spent.len();
        spent.sort_unstable();
        let bytes: u64 = plan.tables().map(|(_, metrics)| metrics.bytes).sum();
        println!(
            "{batch:>5} rows a call: median {:>6}, mean {mean:>6} ns a row; {raised} raised, {bytes} bytes",
            spent[spent.len() / 2]
        );
    }
    Ok(())
}
