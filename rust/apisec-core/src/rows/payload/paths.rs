//! The tree of a service's paths: how unusual each step of a path is, and where a path ends (payload model, 2.4).
//!
//! A node is an entry; so is each child, whose count stands in its own entry.

use super::lanes::{MANY, cell, pair};
use super::param::PRIOR;
use super::score::nats;
use crate::hash::{Hasher, mix};
use crate::table::{NONE, Table};

const BUCKETS: usize = 24;
const MASS_AT: usize = 3;
/// Cells of a node: visits and odd lessons, children seen once and its count as a child, halvings (its own and its parent's
/// when it was last counted), and how many visits went to children of about which count.
pub const CELLS: usize = MASS_AT + BUCKETS / 2;

/// Segments that are steps.
const DEPTH: usize = 12;
/// How common a child is that is new.
const NEW: f64 = 0.2;
/// A node of many visits with many children seen once: words are a variable there.
const VISITED: u32 = 50;
const WIDE: f64 = 0.1;
/// Times a literal must have been seen to be no variable.
const KNOWN: u32 = 3;
const LONG: usize = 48;

const ROOT: u64 = 0x7061_7468;
const TYPED: u64 = 0x7b7d;
const END: u64 = 0xE0D;

/// One step down the tree.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub node: u64,
    pub child: u64,
}

/// A segment that is looked at as a value.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    pub node: u64,
    pub text: &'a [u8],
}

/// A node as it lies in its cells; without any it was never visited.
#[derive(Clone, Copy, Debug, Default)]
struct Node<'a>(&'a [u64]);

fn bucket(count: u32) -> usize {
    (31 - count.max(1).leading_zeros() as usize).min(BUCKETS - 1)
}

impl<'a> Node<'a> {
    #[inline]
    fn read(table: &'a Table, key: u64) -> Self {
        Self::at(table, table.find(key))
    }

    #[inline]
    fn at(table: &'a Table, slot: u32) -> Self {
        match slot {
            NONE => Self::default(),
            slot => Self(table.cells(slot)),
        }
    }

    #[inline]
    fn pair(self, at: usize) -> (u32, u32) {
        pair(self.0.get(at).copied().unwrap_or_default())
    }

    /// Visits, and odd lessons.
    fn visits(self) -> (u32, u32) {
        self.pair(0)
    }

    fn singles(self) -> u32 {
        self.pair(1).0
    }

    fn halved(self) -> u32 {
        self.pair(2).0
    }

    /// Its count as a child, halved as often as its parent's visits were.
    #[inline]
    fn count_of(self, parent: Self) -> u32 {
        let behind = parent.halved().saturating_sub(self.pair(2).1).min(31);
        self.pair(1).1 >> behind
    }

    fn rarer(self, count: u32) -> f64 {
        let known = if count == 0 { 0 } else { bucket(count) + 1 };
        let mass = self.0.get(MASS_AT..MASS_AT + known.div_ceil(2));
        let mut mass: u32 = mass
            .unwrap_or_default()
            .iter()
            .map(|&word| pair(word))
            .map(|(low, high)| low + high)
            .sum();
        if known % 2 == 1 {
            mass -= self.pair(MASS_AT + known / 2).1;
        }
        f64::from(self.singles()) + f64::from(mass)
    }

    fn p(self, count: u32) -> f64 {
        let prior = if count == 0 { NEW } else { 1.0 };
        ((self.rarer(count) + PRIOR * prior) / (f64::from(self.visits().0) + PRIOR)).min(1.0)
    }

    fn is_wide(self) -> bool {
        let n = self.visits().0;
        n >= VISITED && f64::from(self.singles()) > WIDE * f64::from(n)
    }
}

/// A child of the node was visited that had this count; the count that it has now.
fn visit(cells: &mut [u64], count: u32) -> u32 {
    let (n, odd) = pair(cells[0]);
    let (singles, own) = pair(cells[1]);
    let singles = if count == 0 {
        singles + 1
    } else {
        let of = bucket(count);
        set_mass(cells, of, mass(cells, of).saturating_sub(count));
        singles - u32::from(count == 1 && singles > 0)
    };
    let count = count.saturating_add(1);
    let of = bucket(count);
    set_mass(cells, of, mass(cells, of) + count);
    cells[0] = cell(n + 1, odd);
    cells[1] = cell(singles, own);
    if n + 1 >= MANY {
        halve(cells);
        return count / 2;
    }
    count
}

fn mass(cells: &[u64], of: usize) -> u32 {
    (cells[MASS_AT + of / 2] >> (of % 2 * 32)) as u32
}

fn set_mass(cells: &mut [u64], of: usize, mass: u32) {
    let (word, shift) = (&mut cells[MASS_AT + of / 2], of % 2 * 32);
    *word = *word & !(0xFFFF_FFFF << shift) | u64::from(mass) << shift;
}

fn halve(cells: &mut [u64]) {
    let (n, odd) = pair(cells[0]);
    let (singles, own) = pair(cells[1]);
    let (halved, parent) = pair(cells[2]);
    cells[0] = cell(n / 2, odd / 2);
    cells[1] = cell(singles / 2, own);
    cells[2] = cell(halved + 1, parent);
    // Who had 2^k to 2^(k+1) has half as many; who had one has none.
    for of in 0..BUCKETS - 1 {
        set_mass(cells, of, mass(cells, of + 1) / 2);
    }
    set_mass(cells, BUCKETS - 1, 0);
}

/// Walks a path down the tree of a service: the nats of its least usual step, the steps, and the segments that are values.
pub fn walk<'a>(
    table: &Table,
    hasher: &Hasher,
    service: u64,
    path: &'a [u8],
    (steps, values): (&mut Vec<Step>, &mut Vec<Segment<'a>>),
) -> f64 {
    let (mut key, mut most, mut lost) = (mix(service, ROOT), 0.0_f64, false);
    let mut node = Node::read(table, key);
    let (segments, deeper) = segments(path);
    for text in segments {
        let typed = is_typed(text);
        let word = if typed { TYPED } else { hasher.text(text) };
        let child = mix(key, word);
        let found = Node::read(table, child);
        let count = found.count_of(node);
        if !lost {
            most = most.max(nats(node.p(count)));
        }
        lost |= count == 0;
        if typed || count < KNOWN {
            values.push(Segment { node: key, text });
        }
        steps.push(Step { node: key, child });
        let variable = !typed && node.is_wide() && count < KNOWN;
        (key, node) = if variable {
            let below = mix(key, TYPED);
            (below, Node::read(table, below))
        } else {
            (child, found)
        };
    }
    let child = mix(key, END);
    let count = Node::read(table, child).count_of(node);
    if !lost {
        most = most.max(nats(node.p(count)));
    }
    steps.push(Step { node: key, child });
    if !deeper.is_empty() {
        values.push(Segment {
            node: key,
            text: deeper,
        });
    }
    most
}

/// The segments that are steps of the tree, and what lies deeper: one value, or an attack could stand there unseen.
fn segments(path: &[u8]) -> (impl Iterator<Item = &[u8]>, &[u8]) {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let deeper = path.splitn(DEPTH + 1, |&byte| byte == b'/').nth(DEPTH);
    let segments = path.split(|&byte| byte == b'/').take(DEPTH);
    (segments, deeper.unwrap_or_default())
}

/// What a byte of a segment may be: a digit, of a hexadecimal id, of something encoded or listed.
const DIGIT: u8 = 1;
const HEX: u8 = 2;
const OTHER: u8 = 4;
const BYTES: [u8; 256] = {
    let (mut bytes, mut at) = ([0; 256], 0_usize);
    while at < 256 {
        let byte = at as u8;
        bytes[at] = (byte.is_ascii_digit() as u8 * DIGIT)
            | ((byte.is_ascii_hexdigit() || byte == b'-') as u8 * HEX)
            | ((byte >= 128) as u8 * OTHER);
        at += 1;
    }
    let others = *b"%,|=;:@ '";
    at = 0;
    while at < others.len() {
        bytes[others[at] as usize] |= OTHER;
        at += 1;
    }
    bytes
};

/// Whether a segment is no word: a number, an id, a list, something encoded.
fn is_typed(text: &[u8]) -> bool {
    let (mut digits, mut hex, mut other) = (0, 0, false);
    for &byte in text {
        let is = BYTES[usize::from(byte)];
        digits += usize::from(is & DIGIT != 0);
        hex += usize::from(is & HEX != 0);
        other |= is & OTHER != 0;
    }
    let all = text.len();
    all > 0
        && (digits == all
            || hex == all && all >= 8 && digits > 0
            || other
            || all > LONG
            || all > 2 && digits * 2 >= all)
}

/// Learns the steps of a path. Of an odd one a new child is learned only where `admit` lets its node.
pub fn teach(table: &mut Table, steps: &[Step], odd: bool, admit: bool, (row, now): (u64, i64)) {
    let mut last = (0, NONE);
    for step in steps {
        let known = if step.node == last.0 {
            last.1
        } else {
            table.find(step.node)
        };
        let slot = table.find(step.child);
        let node = Node::at(table, known);
        let before = Node::at(table, slot).count_of(node);
        let (n, lessons) = node.visits();
        let new = odd && before == 0;
        if new && (!admit || f64::from(lessons) >= 2.0 + 0.002 * f64::from(n)) {
            return;
        }
        let known = table.visit(step.node, known, row, now);
        let cells = table.parts(known).0;
        cells[0] = cell(n, lessons + u32::from(new));
        let count = visit(cells, before);
        let halved = pair(cells[2]).0;
        let slot = table.visit(step.child, slot, row, now);
        let cells = table.parts(slot).0;
        cells[1] = cell(pair(cells[1]).0, count);
        cells[2] = cell(pair(cells[2]).0, halved);
        last = (step.child, slot);
    }
}
