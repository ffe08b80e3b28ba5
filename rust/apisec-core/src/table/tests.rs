use super::snapshot::Section;
use super::{ENTRY_BYTES, Metrics, NONE, Table};
use crate::snapshot::{Sink, Source};

const SECOND: i64 = 1_000_000_000;
const CELLS: usize = 2;
const COST: u64 = ENTRY_BYTES + 8 * CELLS as u64;

fn key(number: u64) -> u64 {
    (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn of(entries: u64) -> Table {
    Table::new(CELLS, vec![0], entries * COST, 100 * SECOND)
}

/// 4,000 keys that come back, then a flood in which each made-up key is sent `times` times at once.
fn kept_after_flood(times: u64, wait: i64) -> usize {
    let (established, mut table, mut row, mut time) = (4_000, of(5_000), 0, 0);
    for round in 0..4 {
        for number in 0..established {
            table.visit(key(number), NONE, row, time + round * 2 * SECOND);
            row += 1;
        }
        table.settle();
    }
    time += 10 * SECOND;
    for batch in 0..400 {
        for number in 0..100 {
            for again in 0..times {
                table.visit(
                    key(1 << 40 | batch << 20 | number),
                    NONE,
                    row,
                    time + again as i64 * wait,
                );
                row += 1;
            }
        }
        table.settle();
        time += SECOND / 4;
        assert!(table.metrics().bytes <= 5_000 * COST);
    }
    (0..established)
        .filter(|&number| table.find(key(number)) != NONE)
        .count()
}

#[test]
fn a_flood_of_keys_seen_once_or_twice_at_once_evicts_no_established_key() {
    assert_eq!(kept_after_flood(1, 0), 4_000);
    assert_eq!(kept_after_flood(2, 0), 4_000);
    assert_eq!(kept_after_flood(3, 450_000_000), 4_000);
}

#[test]
fn keys_that_come_back_later_do_displace_idle_ones() {
    let mut table = of(100);
    for round in 0..3 {
        (0..100).for_each(|number| {
            table.visit(key(number), NONE, number, round * 2 * SECOND);
        });
        table.settle();
    }
    for round in 0..40 {
        (0..200).for_each(|number| {
            table.visit(key(1000 + number), NONE, number, (10 + 2 * round) * SECOND);
        });
        table.settle();
    }
    let came_back = (0..200)
        .filter(|&number| table.find(key(1000 + number)) != NONE)
        .count();
    assert!(came_back >= 20, "{came_back}");
    assert!(table.metrics().bytes <= 100 * COST);
}

#[test]
fn fresh_entries_queue_in_the_order_of_the_rows_that_counted_them_whatever_made_them_first() {
    let mut table = of(2);
    table.visit(key(1), NONE, 9, 0);
    table.visit(key(2), NONE, 4, 0);
    table.visit(key(3), NONE, 5, 0);
    table.visit(key(1), NONE, 2, 0);
    table.settle();
    assert_eq!((table.find(key(1)), table.metrics().evicted), (NONE, 1));
    assert!(table.find(key(2)) != NONE && table.find(key(3)) != NONE);
}

#[test]
fn what_is_not_visited_expires_and_its_slot_is_zero_when_used_again() {
    let mut table = of(50);
    let slot = table.visit(key(1), NONE, 0, 0);
    table.parts(slot).0[1] = 7;
    table.settle();
    table.expire(100 * SECOND);
    assert_eq!(table.metrics().entries, 1);
    table.expire(100 * SECOND + 1);
    assert_eq!(
        table.metrics(),
        Metrics {
            entries: 0,
            bytes: 0,
            evicted: 0,
            expired: 1
        }
    );
    let again = table.visit(key(2), NONE, 1, 0);
    assert_eq!((again, table.cells(again)), (slot, &[0, 0][..]));
}

#[test]
fn main_expires_by_a_roving_look() {
    let mut table = of(100);
    for round in 0..60 {
        (0..100).for_each(|number| {
            table.visit(key(number), NONE, number, round * 2 * SECOND);
        });
        (0..40).for_each(|other| {
            table.visit(
                key(9_000 + 100 * round as u64 + other),
                NONE,
                200 + other,
                round * 2 * SECOND,
            );
        });
        table.settle();
    }
    for tick in 0..4 {
        table.expire((1_000 + tick) * SECOND);
    }
    assert_eq!(table.metrics().entries, 0);
    assert_eq!(table.metrics().bytes, 0);
}

#[test]
fn spilled_words_are_charged_and_given_back() {
    let mut table = of(50);
    let slot = table.visit(key(1), NONE, 0, 0);
    for number in 0..100 {
        let (cells, spill) = table.parts(slot);
        spill.insert(&mut cells[0], 0, &[number]);
        table.charge(slot);
        assert_eq!(table.metrics().bytes, COST + 8 * (number + 1));
    }
    table.settle();
    let (cells, spill) = table.parts(slot);
    spill.truncate(&mut cells[0], 3);
    table.charge(slot);
    assert_eq!(table.metrics().bytes, COST + 24);
    let (cells, spill) = table.parts(slot);
    spill.retain(&mut cells[0], |_| false);
    assert_eq!(cells[0], 0);
    table.charge(slot);
    assert_eq!(table.metrics().bytes, COST);
    let (cells, spill) = table.parts(slot);
    spill.insert(&mut cells[0], 0, &[1, 2, 3]);
    table.charge(slot);
    table.expire(1_000 * SECOND);
    assert_eq!(table.metrics().bytes, 0);
}

#[test]
fn a_table_smaller_than_one_entry_holds_none_after_a_settle() {
    let mut table = Table::new(CELLS, vec![], 1, SECOND);
    (0..10).for_each(|number| {
        table.visit(key(number), NONE, number, 0);
    });
    table.settle();
    assert_eq!(
        table.metrics(),
        Metrics {
            entries: 0,
            bytes: 0,
            evicted: 10,
            expired: 0
        }
    );
}

fn sections() -> Vec<Section> {
    let section = |identity: &str, cell, spills| Section {
        identity: identity.into(),
        cell,
        cells: 1,
        spills,
    };
    vec![section("values", 0, true), section("visits", 1, false)]
}

fn shards(table: &Table) -> Vec<Vec<u8>> {
    let (mut copying, mut shards) = (table.start_copy(), vec![]);
    loop {
        let mut sink = Sink::default();
        if !table.copy(&mut copying, &sections(), &mut sink) {
            return shards;
        }
        shards.push(sink.into_bytes());
    }
}

/// Rows of many keys, some of which come back; each counts its visits and keeps a few values.
fn some_rows(table: &mut Table, rows: std::ops::Range<u64>) {
    for row in rows {
        let drawn = row.wrapping_mul(0xD134_2543_DE82_EF95) >> 20;
        let number = match row % 4 {
            0 => drawn % 3_000,
            1 => drawn % 60_000,
            _ => (1 << 40) | (row / 2),
        };
        let time = row as i64 * 4_000_000;
        let slot = table.visit(key(number), NONE, row, time);
        let (cells, spill) = table.parts(slot);
        cells[1] += 1;
        if cells[1] % 3 == 1 && cells[1] < 20 {
            spill.insert(&mut cells[0], usize::MAX, &[row]);
        }
        table.charge(slot);
        if row % 250 == 249 {
            table.settle();
            table.expire(time);
        }
    }
}

fn look(table: &Table, number: u64) -> Option<(u64, Vec<u64>)> {
    let slot = table.find(key(number));
    let cells = (slot != NONE).then(|| table.cells(slot))?;
    Some((cells[1], table.spill().list(cells[0]).to_vec()))
}

#[test]
fn a_restored_table_answers_and_evicts_alike() {
    let (mut kept, cut) = (of(12_000), 150_100);
    some_rows(&mut kept, 0..cut);
    let mut back = of(12_000);
    let shards = shards(&kept);
    assert!(shards.len() > 3);
    for shard in &shards {
        assert!(back.load(&sections(), &mut Source::of(shard)).is_ok());
    }
    let before = kept.metrics();
    for more in 0..4 {
        let rows = cut + more * 100_000..cut + (more + 1) * 100_000;
        some_rows(&mut kept, rows.clone());
        some_rows(&mut back, rows);
        let (ours, theirs) = (kept.metrics(), back.metrics());
        assert_eq!((ours.entries, ours.bytes), (theirs.entries, theirs.bytes));
        assert_eq!(ours.evicted - before.evicted, theirs.evicted);
        assert_eq!(ours.expired - before.expired, theirs.expired);
        for number in (0..60_000).chain((0..300_000).map(|number| (1 << 40) | (2 * number))) {
            assert_eq!(look(&kept, number), look(&back, number));
        }
    }
}

#[test]
fn a_kernel_that_is_not_known_is_left_out_and_a_new_one_begins_with_zero() {
    let mut kept = of(2_000);
    some_rows(&mut kept, 0..3_000);
    kept.settle();
    let mut wanted = sections();
    wanted[0].identity = "other values".into();
    let mut back = of(2_000);
    for shard in shards(&kept) {
        assert!(back.load(&wanted, &mut Source::of(&shard)).is_ok());
    }
    assert_eq!(back.metrics().entries, kept.metrics().entries);
    assert_eq!(
        back.metrics().bytes,
        COST * back.metrics().entries,
        "nothing is charged for what was left out"
    );
    for number in 0..3_000 {
        let expected = look(&kept, number).map(|(visits, _)| (visits, vec![]));
        assert_eq!(look(&back, number), expected);
    }
}

#[test]
fn a_smaller_table_keeps_what_fits() {
    let mut kept = of(4_000);
    some_rows(&mut kept, 0..20_000);
    let mut back = of(1_000);
    for shard in shards(&kept) {
        assert!(back.load(&sections(), &mut Source::of(&shard)).is_ok());
    }
    back.settle();
    assert!(back.metrics().bytes <= 1_000 * COST);
    assert!(back.metrics().entries > 300);
}

#[test]
fn damaged_shards_are_refused_or_read_and_never_panic() {
    let mut kept = of(60);
    some_rows(&mut kept, 0..400);
    let [_, shard] = &shards(&kept)[..] else {
        unreachable!("one shard with entries was expected")
    };
    for length in 0..shard.len() {
        let read = of(60).load(&sections(), &mut Source::of(&shard[..length]));
        assert!(read.is_err(), "cut at {length}");
    }
    for at in 0..shard.len() {
        for bit in [1, 0x80] {
            let mut flipped = shard.clone();
            flipped[at] ^= bit;
            let mut back = of(60);
            if back.load(&sections(), &mut Source::of(&flipped)).is_ok() {
                some_rows(&mut back, 400..900);
                back.clear();
                assert_eq!(back.metrics().entries, 0);
            }
        }
    }
}

#[test]
fn a_copy_over_several_batches_holds_no_key_twice_and_none_that_is_gone() {
    let mut table = of(12_000);
    some_rows(&mut table, 0..60_000);
    let (mut copying, mut back, mut row) = (table.start_copy(), of(24_000), 60_000);
    let mut keys = std::collections::HashSet::new();
    loop {
        let mut sink = Sink::default();
        if !table.copy(&mut copying, &sections(), &mut sink) {
            break;
        }
        let bytes = sink.into_bytes();
        assert!(back.load(&sections(), &mut Source::of(&bytes)).is_ok());
        some_rows(&mut table, row..row + 2_000);
        row += 2_000;
    }
    for number in 0..60_000 {
        if let (Some((kept, _)), Some((copied, _))) = (look(&table, number), look(&back, number)) {
            assert!(copied <= kept || kept < 20, "{number}: {copied} of {kept}");
            keys.insert(number);
        }
    }
    assert!(keys.len() > 1_500, "{}", keys.len());
}

#[test]
fn a_shard_whose_entries_are_all_gone_is_read() {
    let mut kept = of(2_000);
    some_rows(&mut kept, 0..100);
    let mut copying = kept.start_copy();
    kept.clear();
    loop {
        let mut sink = Sink::default();
        let wide = [Section {
            cells: 2,
            cell: 0,
            spills: false,
            identity: String::new(),
        }];
        if !kept.copy(&mut copying, &wide, &mut sink) {
            break;
        }
        let bytes = sink.into_bytes();
        let read = of(10).load(&wide, &mut Source::of(&bytes));
        assert_eq!(read, Ok(vec![]));
    }
}
