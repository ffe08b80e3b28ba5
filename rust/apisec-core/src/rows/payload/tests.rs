use super::*;
use crate::codec::Slice;
use crate::kernels::laws::Draw;

const SYNTAX: &str = include_str!("../../../examples/syntax.json");

/// A step, and requests told to it one by one.
pub(super) struct Told {
    pub(super) payload: Payload,
    pub(super) draw: Draw,
    at: i64,
    /// Of the last one.
    reason: Option<Reason>,
}

impl Told {
    pub(super) fn new(bytes: u64) -> Result<Self, String> {
        let settings = Settings {
            bytes,
            syntax: SYNTAX.to_owned(),
            attributes: Attributes::default(),
        };
        Ok(Self {
            payload: Payload::new(settings, Hasher::new(&[7; 16]))?,
            draw: Draw(3),
            at: SECOND,
            reason: None,
        })
    }

    /// p of a request by somebody, a hundredth of a second after the last.
    pub(super) fn ask(&mut self, who: u64, path: &[u8], query: &[u8]) -> f64 {
        self.at += SECOND / 100;
        let mut member = Member::empty();
        member.made = [path, query].concat();
        let (path, query) = (path.len() as u32, query.len() as u32);
        member.rows.push(Record {
            request: 1,
            service: 11,
            endpoint: 13,
            principal: who.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            stream: self.at,
            path_text: Slice { at: 0, len: path },
            query_text: Slice {
                at: path,
                len: query,
            },
            ..Record::default()
        });
        let mut batch = SpanBatch::from_members(vec![member]);
        self.payload.process(&mut batch);
        self.reason = batch.reasons.pop().map(|(_, reason)| reason);
        batch.record(0).map_or(f64::NAN, |r| r.payload_p)
    }

    /// So many requests for things by number, of many people.
    pub(super) fn usual(&mut self, count: usize) {
        for _ in 0..count {
            let (who, id) = (self.draw.next(500), self.draw.next(900));
            self.ask(who, b"/things", format!("id={id}&page=1").as_bytes());
        }
    }
}

#[test]
fn what_is_usual_is_told_from_what_is_not() -> Result<(), String> {
    let mut told = Told::new(32 << 20)?;
    told.usual(2_000);
    let usual = told.ask(1, b"/things", b"id=77&page=1");
    let letters = told.ask(1, b"/things", b"id=admin&page=1");
    let attack = told.ask(1, b"/things", b"id=1'+or+'1'%3d'1&page=1");
    assert!(usual > 0.2, "{usual}");
    assert!(letters < 0.01 && attack < 1e-6, "{letters} {attack}");
    assert!(told.ask(1, b"/things/x/y", b"id=77&page=1") < 0.05);
    Ok(())
}

#[test]
fn nothing_but_syntax_is_called_rare_before_enough_was_seen() -> Result<(), String> {
    let mut told = Told::new(32 << 20)?;
    told.usual(250);
    assert!(told.ask(1, b"/things", b"id=~admin~&page=1") > 2e-4);
    assert!(told.ask(1, b"/things", b"id=1+union+select+password+from+users") < 1e-4);
    Ok(())
}

#[test]
fn a_flood_of_odd_requests_by_one_teaches_next_to_nothing() -> Result<(), String> {
    let mut told = Told::new(32 << 20)?;
    told.usual(3_000);
    let mut flood = |count: usize| {
        for _ in 0..count {
            told.ask(7, b"/things", b"id=zz~zz&page=1");
        }
        told.ask(8, b"/things", b"id=zz~zz&page=1")
    };
    // His one vote counts, and no other.
    let (before, after) = (flood(300), flood(20_000));
    assert!(after < 1.5 * before && after < 0.001, "{before} {after}");
    Ok(())
}

#[test]
fn a_flood_of_odd_requests_by_many_teaches_what_the_budget_allows() -> Result<(), String> {
    let mut told = Told::new(32 << 20)?;
    told.usual(3_000);
    for who in 1_000..21_000 {
        told.ask(who, b"/things", b"id=zz~zz&page=1");
    }
    let keys = mix(mix(13, told.payload.hasher.text(b"id")), 9);
    let cells = cells(&told.payload.params.table, keys).ok_or("the parameter is known")?;
    let (n, odd) = param::counts(cells);
    assert!(
        n < 3_100 && f64::from(odd) <= 3.0 + 0.002 * f64::from(n),
        "{n} {odd}"
    );
    Ok(())
}

#[test]
fn tables_stay_under_their_caps_whatever_comes() -> Result<(), String> {
    let cap = 1 << 20;
    let mut told = Told::new(cap)?;
    for number in 0..30_000_u64 {
        let word = told.draw.next(1 << 40);
        let path = format!("/{word:x}/w{}/{number}", word % 97);
        let query = format!("n{word}={word}&m{}=1", word % 1_000);
        told.ask(number, path.as_bytes(), query.as_bytes());
    }
    for ((name, metrics), share) in told.payload.metrics().into_iter().zip(SHARES) {
        assert!(
            metrics.bytes <= cap / 16 * share + (64 << 10),
            "{name}: {}",
            metrics.bytes
        );
    }
    Ok(())
}

#[test]
fn any_bytes_have_a_probability() -> Result<(), String> {
    let mut told = Told::new(1 << 20)?;
    for _ in 0..20_000 {
        let mut bytes = |most: u64| -> Vec<u8> {
            let length = told.draw.next(most);
            (0..length).map(|_| told.draw.next(256) as u8).collect()
        };
        let (path, query) = (bytes(40), bytes(120));
        let p = told.ask(1, &path, &query);
        assert!((0.0..=1.0).contains(&p), "{p} {path:?} {query:?}");
    }
    Ok(())
}

#[test]
fn counters_add_up_whatever_the_range() {
    let mut cells = vec![0; 8];
    for at in 0..32 {
        lanes::set_lane(
            &mut cells,
            at,
            if at == 9 { u16::MAX } else { 3 * at as u16 + 1 },
        );
    }
    for first in 0..32 {
        for last in first..32 {
            let one_by_one: u32 = (first..=last)
                .map(|at| u32::from(lanes::lane(&cells, at)))
                .sum();
            assert_eq!(
                lanes::sum(&cells, first..=last),
                one_by_one,
                "{first} {last}"
            );
        }
    }
}

#[test]
fn a_set_that_is_full_keeps_what_came_often() {
    let mut set = vec![0; lanes::set_cells(16)];
    for n in 0..200 {
        lanes::observe(&mut set, 16, n % 10, u32::from(n) + 1);
    }
    for n in 200..2_000_u16 {
        lanes::observe(&mut set, 16, n, u32::from(n));
    }
    let view = lanes::Outcomes::new(&set, 16);
    assert!((0..10).filter(|&outcome| view.rarer(outcome).1).count() >= 8);
    let before = view.rarer(3).0;
    lanes::halve_set(&mut set, 16);
    assert!(lanes::Outcomes::new(&set, 16).rarer(3).0 <= before);
}

#[test]
fn parameters_past_the_most_are_counted_as_not_looked_at() -> Result<(), String> {
    let mut told = Told::new(32 << 20)?;
    let query: Vec<String> = (0..70).map(|at| format!("n{at}=1")).collect();
    // The path's one segment, new as it is, is an item too.
    told.ask(1, b"/things", query.join("&").as_bytes());
    assert_eq!(told.payload.cut, 1 + 70 - 64);
    told.ask(1, b"/things", "a=1&".repeat(100_000).as_bytes());
    assert_eq!(told.payload.cut, 7 + 1 + 100_000 - 64);
    Ok(())
}

#[test]
fn what_lies_deep_in_a_path_is_looked_at() -> Result<(), String> {
    let mut told = Told::new(32 << 20)?;
    told.usual(400);
    let deep = [b"/a".repeat(14), b"/1'+or+'1'='1'--".to_vec()].concat();
    assert!(told.ask(1, &deep, b"") < 1e-4);
    Ok(())
}

#[test]
fn a_doubled_name_is_the_reason_also_where_another_is_new() -> Result<(), String> {
    let mut told = Told::new(32 << 20)?;
    told.usual(2_000);
    told.ask(1, b"/things", b"id=1&id=2&page=1&size=3");
    let reason = told.reason.ok_or("it is unusual")?;
    let [_, _, names, doubled] = reason.parts;
    assert!(doubled > names, "{reason:?}");
    assert_eq!(reason.feature, "doubled", "{reason:?}");
    Ok(())
}

#[test]
fn versions_and_teachers_are_known_by_ids_of_any_bits() {
    let (id, mut cells) = (0xFFFF_0000_0000_FFFF, vec![0; tails::CELLS]);
    tails::begin(&mut cells);
    (0..400).for_each(|_| tails::version(&mut cells, 2 << 16));
    (0..400).for_each(|_| tails::teach(&mut cells, 1.0, false, true));
    assert!(!tails::is_cold(Some(&cells)));
    tails::version(&mut cells, id);
    assert!(tails::is_cold(Some(&cells)), "the version is new");
    assert!(tails::spend(&mut cells, id), "who never taught may");
    assert!(!tails::spend(&mut cells, id), "but once");
}
