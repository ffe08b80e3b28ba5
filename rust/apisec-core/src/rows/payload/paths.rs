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

/// A node as it was read.
#[derive(Clone, Copy, Debug, Default)]
struct Node {
    n: u32,
    odd: u32,
    singles: u32,
    count: u32,
    halved: u32,
    parent_halved: u32,
    mass: [u32; BUCKETS],
}

fn bucket(count: u32) -> usize {
    (31 - count.max(1).leading_zeros() as usize).min(BUCKETS - 1)
}

impl Node {
    fn read(table: &Table, key: u64) -> Self {
        match table.find(key) {
            NONE => Self::default(),
            slot => Self::of(table.cells(slot)),
        }
    }

    #[inline]
    fn of(cells: &[u64]) -> Self {
        let mut node = Self::default();
        (node.n, node.odd) = pair(cells[0]);
        (node.singles, node.count) = pair(cells[1]);
        (node.halved, node.parent_halved) = pair(cells[2]);
        for (two, &word) in node.mass.chunks_exact_mut(2).zip(&cells[MASS_AT..]) {
            (two[0], two[1]) = pair(word);
        }
        node
    }

    fn write(&self, cells: &mut [u64]) {
        cells[0] = cell(self.n, self.odd);
        cells[1] = cell(self.singles, self.count);
        cells[2] = cell(self.halved, self.parent_halved);
        for (two, word) in self.mass.chunks_exact(2).zip(&mut cells[MASS_AT..]) {
            *word = cell(two[0], two[1]);
        }
    }

    /// Its count as a child, halved as often as its parent's visits were.
    fn count_of(&self, parent: &Self) -> u32 {
        let behind = parent.halved.saturating_sub(self.parent_halved).min(31);
        self.count >> behind
    }

    fn rarer(&self, count: u32) -> f64 {
        let known = if count == 0 { 0 } else { bucket(count) + 1 };
        let mass: u32 = self.mass[..known].iter().sum();
        f64::from(self.singles) + f64::from(mass)
    }

    fn p(&self, count: u32) -> f64 {
        let prior = if count == 0 { NEW } else { 1.0 };
        ((self.rarer(count) + PRIOR * prior) / (f64::from(self.n) + PRIOR)).min(1.0)
    }

    fn is_wide(&self) -> bool {
        self.n >= VISITED && f64::from(self.singles) > WIDE * f64::from(self.n)
    }

    /// A child was visited that had this count.
    fn visit(&mut self, count: u32) -> u32 {
        self.n += 1;
        if count == 0 {
            self.singles += 1;
        } else {
            self.singles -= u32::from(count == 1 && self.singles > 0);
            let mass = &mut self.mass[bucket(count)];
            *mass = mass.saturating_sub(count);
        }
        let count = count.saturating_add(1);
        self.mass[bucket(count)] += count;
        if self.n >= MANY {
            self.halve();
            return count / 2;
        }
        count
    }

    fn halve(&mut self) {
        (self.n, self.odd, self.singles) = (self.n / 2, self.odd / 2, self.singles / 2);
        self.halved += 1;
        // Who had 2^k to 2^(k+1) has half as many; who had one has none.
        self.mass.rotate_left(1);
        self.mass[BUCKETS - 1] = 0;
        self.mass.iter_mut().for_each(|mass| *mass /= 2);
    }
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
        let count = found.count_of(&node);
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
    let count = Node::read(table, child).count_of(&node);
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

/// Whether a segment is no word: a number, an id, a list, something encoded.
fn is_typed(text: &[u8]) -> bool {
    let count = |is: fn(&u8) -> bool| text.iter().filter(|byte| is(byte)).count();
    let digits = count(u8::is_ascii_digit);
    let hex = count(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    let other = count(|byte| *byte >= 128 || b"%,|=;:@ '".contains(byte));
    let all = text.len();
    all > 0
        && (digits == all
            || hex == all && all >= 8 && digits > 0
            || other > 0
            || all > LONG
            || all > 2 && digits * 2 >= all)
}

/// Learns the steps of a path. Of an odd one a new child is learned only where `admit` lets its node.
pub fn teach(table: &mut Table, steps: &[Step], odd: bool, admit: bool, (row, now): (u64, i64)) {
    for step in steps {
        let known = table.find(step.node);
        let mut node = match known {
            NONE => Node::default(),
            slot => Node::of(table.cells(slot)),
        };
        let before = Node::read(table, step.child).count_of(&node);
        if odd && before == 0 {
            if !admit || f64::from(node.odd) >= 2.0 + 0.002 * f64::from(node.n) {
                return;
            }
            node.odd += 1;
        }
        let count = node.visit(before);
        let slot = table.visit(step.node, known, row, now);
        node.write(table.parts(slot).0);
        let slot = table.visit(step.child, NONE, row, now);
        let mut child = Node::of(table.cells(slot));
        (child.count, child.parent_halved) = (count, node.halved);
        child.write(table.parts(slot).0);
    }
}
