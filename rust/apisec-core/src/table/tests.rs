use super::{ENTRY_BYTES, Metrics, NONE, Table};

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
