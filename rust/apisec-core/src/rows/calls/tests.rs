use super::*;
use crate::snapshot;

const EDGE: u64 = 1;
const SHOP: u64 = 2;

struct Told {
    calls: Calls,
    pairs: Vec<Pair>,
}

impl Told {
    fn new(named: &[&str]) -> Self {
        let named: Vec<_> = named.iter().map(|name| (*name).to_owned()).collect();
        Self {
            calls: Calls::new(&named, 1 << 20),
            pairs: Vec::new(),
        }
    }

    /// A span of a service, by its number and its parent's, at a time in milliseconds.
    fn span(&mut self, service: u64, ids: (u64, u64), at: i64, path: u64) -> Record {
        let start = (at * 1_000_000) as u64;
        let mut r = Record {
            service,
            method: 7,
            span_id: ids.0.to_be_bytes(),
            start: start + service,
            end: start + 100 - service,
            time: start as i64,
            stream: start as i64,
            ..Record::default()
        };
        let name: &[u8] = if service == EDGE { b"edge" } else { b"shop" };
        if self.calls.watches(&r, name) {
            let (own, parent) = ids;
            let ids = Ids { own, parent, path };
            self.calls.arrive(&mut r, ids, 0, &mut self.pairs);
        }
        r
    }

    /// So many calls through the gateway, its half first, on other paths.
    fn calls(&mut self, count: u64) {
        for call in 0..count {
            self.span(EDGE, (1_000 + call, 0), call as i64, 5);
            self.span(SHOP, (5_000 + call, 1_000 + call), call as i64, 6);
        }
        self.span(9, (9, 0), 20_000, 0);
    }
}

#[test]
fn two_halves_of_one_path_are_one_call_in_either_order() {
    let mut told = Told::new(&[]);
    told.span(EDGE, (1, 0), 0, 5);
    told.span(SHOP, (2, 1), 0, 5);
    assert_eq!((told.pairs.len(), told.pairs[0].gateway), (1, false));
    told.span(SHOP, (4, 3), 1, 5);
    let edge = told.span(EDGE, (3, 0), 1, 5);
    assert_eq!((told.pairs.len(), told.pairs[1].gateway), (2, true));
    assert_eq!(told.pairs[1].span, 4_u64.to_be_bytes());
    assert!(edge.is_set_back());
}

#[test]
fn other_paths_services_methods_and_times_are_other_calls() {
    let mut told = Told::new(&[]);
    told.span(EDGE, (1, 0), 0, 5);
    told.span(SHOP, (2, 1), 0, 6);
    told.span(EDGE, (3, 1), 0, 5);
    told.span(SHOP, (4, 1), 5_000, 5);
    told.span(SHOP, (5, 99), 0, 5);
    assert_eq!(told.pairs, []);
}

#[test]
fn one_gateway_span_is_one_call() {
    let mut told = Told::new(&[]);
    told.span(EDGE, (1, 0), 0, 5);
    told.span(SHOP, (2, 1), 0, 5);
    told.span(SHOP, (3, 1), 0, 5);
    assert_eq!(told.pairs.len(), 1);
}

#[test]
fn halves_that_are_six_seconds_apart_do_not_meet() {
    let mut told = Told::new(&[]);
    told.span(EDGE, (1, 0), 0, 5);
    told.span(9, (9, 0), 6_001, 0);
    told.span(SHOP, (2, 1), 6_001, 5);
    assert_eq!(told.pairs, []);
}

#[test]
fn a_gateway_is_found_by_most_of_its_calls_and_waits_whatever_the_path() {
    let mut told = Told::new(&[]);
    told.calls(10);
    assert_eq!(told.pairs, []);
    assert!(told.span(EDGE, (1, 0), 20_001, 5).is_set_back());
    assert!(!told.span(SHOP, (2, 1), 20_001, 6).is_set_back());
    assert_eq!(told.pairs.len(), 1);
}

#[test]
fn a_named_gateway_waits_from_its_first_call_on() {
    let mut told = Told::new(&["edge"]);
    assert!(told.span(EDGE, (1, 0), 0, 5).is_set_back());
    told.span(SHOP, (2, 1), 0, 6);
    assert_eq!(told.pairs.len(), 1);
}

#[test]
fn what_is_kept_goes_on_where_it_was() {
    let mut told = Told::new(&[]);
    told.calls(10);
    told.span(EDGE, (1, 0), 20_001, 5);
    let mut again = Told::new(&[]);
    let mut at = told.calls.start();
    while !at.is_over() {
        let mut to = snapshot::Sink::default();
        told.calls.copy(&mut at, &mut to);
        let bytes = to.into_bytes();
        let taken = again.calls.load(&mut snapshot::Source::of(&bytes));
        assert!(taken.is_ok());
    }
    again.span(SHOP, (2, 1), 20_001, 6);
    assert_eq!(again.pairs.len(), 1);
    assert!(again.span(EDGE, (3, 0), 20_002, 5).is_set_back());
}

#[test]
fn memory_is_bounded() {
    let mut told = Told::new(&[]);
    told.calls = Calls::new(&[], 100 * ENTRY);
    for call in 0..10_000 {
        told.span(EDGE, (2 * call + 1, 2 * call + 2), 0, 5);
        assert!(told.calls.bytes() <= 102 * ENTRY);
    }
}
