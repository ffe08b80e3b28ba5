//! Laws of what is learned and of what is said, whatever comes.

use bytes::Bytes;

use super::items::Read;
use super::lanes::{MANY, Outcomes, lane, observe, set_cells};
use super::tests::Told;
use super::*;
use crate::codec::{Vocabulary, decode};
use crate::kernels::laws::Draw;
use crate::wire::put_bytes;

const PLAIN: Features = Features {
    length: 5,
    classes: 1,
    shape: 7,
    syntax: 0,
    family: 0,
};

/// Any features.
fn drawn(draw: &mut Draw) -> Features {
    Features {
        length: draw.next(32) as u8,
        classes: draw.next(1 << 31) << 25 | draw.next(1 << 25),
        shape: draw.next(40) as u16,
        syntax: draw.next(17) as u8,
        family: 0,
    }
}

/// How many of all values have this length, of lengths and of classes.
fn shares(cells: &[u64]) -> Vec<f64> {
    let n = f64::from(param::counts(cells).0);
    (4..4 * param::SHAPE_AT)
        .map(|at| f64::from(lane(cells, at)) / n)
        .collect()
}

#[test]
fn no_count_is_over_the_number_of_observations() {
    let (mut draw, mut cells) = (Draw(5), vec![0; param::CELLS]);
    for _ in 0..3 * MANY {
        param::teach(&mut cells, &drawn(&mut draw));
        let n = param::counts(&cells).0;
        assert!(n < MANY);
        assert!((4..4 * param::SHAPE_AT).all(|at| u32::from(lane(&cells, at)) <= n));
    }
    let set = Outcomes::new(&cells[param::SHAPE_AT..], 16);
    assert!(set.singles() <= param::counts(&cells).0);
}

#[test]
fn halving_keeps_shares() {
    let (mut draw, mut cells) = (Draw(6), vec![0; param::CELLS]);
    (1..MANY).for_each(|_| param::teach(&mut cells, &drawn(&mut draw)));
    let before = shares(&cells);
    param::teach(&mut cells, &drawn(&mut draw));
    assert_eq!(param::counts(&cells).0, MANY / 2);
    let apart = before
        .iter()
        .zip(shares(&cells))
        .map(|(a, b)| (a - b).abs());
    assert!(apart.fold(0.0, f64::max) < 2.0 / f64::from(MANY / 2));
}

#[test]
fn a_full_set_replaces_only_what_was_seen_once() {
    let mut draw = Draw(7);
    let mut set = vec![0; set_cells(16)];
    (0..32).for_each(|n| observe(&mut set, 16, n % 16, 1));
    observe(&mut set, 16, 99, 1);
    let known = |set: &[u64], outcome| Outcomes::new(set, 16).rarer(outcome).1;
    assert!((0..16).all(|outcome| known(&set, outcome)) && !known(&set, 99));
    for n in 0..10_000 {
        let often: Vec<u16> = (0..16).map(|slot| lane(&set[1..], 16 + slot)).collect();
        let held: Vec<u16> = (0..16).map(|slot| lane(&set[1..], slot)).collect();
        observe(&mut set, 16, draw.next(60) as u16, n);
        let gone = |slot: &usize| lane(&set[1..], *slot) != held[*slot];
        assert!((0..16).filter(gone).all(|slot| often[slot] == 1), "{n}");
    }
}

#[test]
fn what_is_always_so_says_nearly_nothing() {
    let mut cells = vec![0; param::CELLS];
    (0..5_000).for_each(|_| param::teach(&mut cells, &PLAIN));
    let terms = param::terms(&[Some(&cells), Some(&cells), Some(&cells)], &PLAIN);
    assert!(
        terms.nats.iter().all(|nats| *nats < 0.01),
        "{:?}",
        terms.nats
    );
}

#[test]
fn p_falls_as_the_score_rises() {
    for (usual, syntax, is_cold) in [(0.0, 0.0, false), (3.0, 4.0, true), (8.0, 0.0, true)] {
        let p = |at: u32| tails::p_value(f64::from(at) / 50.0, syntax, usual, is_cold);
        assert!((0..2_000).all(|at| p(at + 1) <= p(at)), "{usual} {syntax}");
    }
}

#[test]
fn a_cold_service_alarms_by_syntax_only() {
    // Nine nats of each term that is not syntax, and half of what the others have over one.
    let item = score::together(&[9.0; 3]);
    let most = score::together(&[item, 9.0, 9.0, 9.0]);
    let p = tails::p_value(most, 0.0, 0.0, true);
    assert!((3e-4..1e-3).contains(&p), "{p}");
}

/// A hundred thousand odd requests of so many teachers after as many usual ones: the key's and the service's share of odd ones
/// among what was learned since, and how far what is usual moved.
fn flooded(teachers: u64) -> Result<(f64, f64, f64), String> {
    let mut told = Told::new(32 << 20)?;
    told.usual(3_000);
    let id = mix(mix(13, told.payload.hasher.text(b"id")), 9);
    let of = |payload: &Payload| {
        let key = cells(&payload.params.table, id).map_or((0, 0), param::counts);
        let tail = cells(&payload.tails.table, mix(11, 10));
        (key, tails::counts(tail), tails::usual(None, tail))
    };
    let before = of(&told.payload);
    for at in 0..100_000 {
        told.ask(1_000 + at % teachers, b"/things", b"id=zz~zz&page=1");
    }
    told.ask(1, b"/things", b"id=7&page=1");
    let after = of(&told.payload);
    let key = f64::from(after.0.1 - before.0.1) - 0.002 * f64::from(after.0.0);
    let service = f64::from(after.1.1 - before.1.1) - 0.005 * f64::from(after.1.0);
    Ok((key, service, (after.2 - before.2).abs()))
}

#[test]
fn a_flood_moves_a_key_by_a_500th_and_a_service_by_a_200th() -> Result<(), String> {
    for teachers in [1, 1_000] {
        let (key, service, moved) = flooded(teachers)?;
        // Two odd lessons of a key, and the ten tokens of a full purse, are free.
        assert!(key <= 3.0 && service <= 10.0, "{teachers}: {key} {service}");
        assert!(moved < 0.1, "{teachers}: {moved}");
    }
    Ok(())
}

#[test]
fn who_taught_may_again_after_sixteen_others() {
    let mut service = vec![0; tails::CELLS];
    tails::begin(&mut service);
    let mut spend = |teacher: u64| {
        (0..400).for_each(|_| tails::earn(&mut service));
        tails::spend(&mut service, teacher << 16)
    };
    assert!(spend(1) && !spend(1));
    assert!((2..17).all(&mut spend) && !spend(1), "fifteen others");
    assert!(spend(17) && spend(1), "sixteen");
}

const SPEC: &str = r#"{
  "kinds": [2], "missing": ["-"], "reserved": "apisec.",
  "columns": [
    {"column": "path", "sources": [{"at": "span", "key": "url.path", "as": "text"}]},
    {"column": "query", "sources": [{"at": "span", "key": "url.query", "as": "text"}]},
    {"column": "agent", "sources": [{"at": "span", "key": "user_agent.original", "as": "text"}]}
  ]
}"#;
const KEYS: [&str; 7] = [
    "url.path",
    "url.query",
    "user_agent.original",
    "http.request.body.content",
    "http.request.header.x-any",
    "http.request.header.cookie",
    "servlet.request.parameter.id",
];

fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, number, content);
    out
}

/// Bytes that are any, or mean something to who reads a form, JSON or a path.
fn texts(draw: &mut Draw) -> Vec<u8> {
    const MARKS: &[u8] = b"{}[]\",:\\u%&=;/?+<' 0a\xff";
    let (length, any) = (draw.next(200), draw.next(2) == 0);
    let mark = |draw: &mut Draw| MARKS[draw.next(MARKS.len() as u64) as usize];
    let mut text: Vec<u8> = (0..length)
        .map(|_| match any {
            true => draw.next(256) as u8,
            false => mark(draw),
        })
        .collect();
    if draw.next(3) == 0 {
        text.insert(0, b"{["[draw.next(2) as usize]);
    }
    text
}

fn request(draw: &mut Draw) -> Bytes {
    let mut span = vec![6 << 3, 2];
    for key in KEYS {
        let value = field(2, &field(1, &texts(draw)));
        span.extend(field(9, &[field(1, key.as_bytes()), value].concat()));
    }
    field(1, &field(2, &field(2, &span))).into()
}

fn attributes() -> Attributes {
    let read = [
        ("http.request.header.", Read::Header),
        ("http.request.body", Read::Body),
        ("servlet.request.parameter.", Read::Parameter),
    ];
    Attributes {
        read: read.map(|(key, read)| (key.to_owned(), read)).to_vec(),
        passed: vec![],
        cookies: "cookie".to_owned(),
    }
}

#[test]
fn any_bytes_in_any_attribute_have_a_probability() -> Result<(), String> {
    let vocabulary = Vocabulary::load(SPEC).map_err(|error| error.to_string())?;
    let mut told = Told::new(1 << 20)?;
    told.payload.attributes = attributes();
    let mut looked_at = 0;
    for at in 0..10_000 {
        let bytes = request(&mut told.draw);
        let decoded = decode(bytes, &vocabulary, &Hasher::new(&[1; 16]), 10);
        let mut member = decoded.map_err(|error| error.to_string())?;
        for r in &mut member.rows {
            (r.request, r.stream) = (1, at * SECOND / 50);
            // Also rows without a place.
            (r.service, r.endpoint) = (told.draw.next(3), told.draw.next(4));
        }
        let mut batch = SpanBatch::from_members(vec![member]);
        told.payload.process(&mut batch);
        let p = batch.record(0).map_or(f64::NAN, |r| r.payload_p);
        assert!((0.0..=1.0).contains(&p), "{at}: {p}");
        looked_at += told.payload.items.len();
    }
    assert!(looked_at > 100_000, "{looked_at}");
    Ok(())
}
