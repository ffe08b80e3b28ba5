//! The names of an endpoint's parameters: sets of them, single ones, ones that are always there (payload model, 2.4).

use super::lanes::{
    MANY, Outcomes, cell, count_lane, halve, halve_set, lane, observe, pair, set_cells, set_lane,
};
use super::param::PRIOR;
use super::score::nats;

const SETS: usize = 16;
const SINGLE: usize = 32;
const ALWAYS: usize = 24;

const SETS_AT: usize = 2;
const SINGLE_AT: usize = SETS_AT + set_cells(SETS);
const ALWAYS_AT: usize = SINGLE_AT + set_cells(SINGLE);
/// Cells of an endpoint's names: requests and odd lessons, doubled names and names counted, sets, names, and how often each was there.
pub const CELLS: usize = ALWAYS_AT + ALWAYS / 2;

/// How common a new set is, and a doubled name, and a name that is missing, where nothing is known.
const NEW_SET: f64 = 0.5;
const DOUBLED: f64 = 0.02;
const MISSING: f64 = 0.1;
/// How common a new name is that the service has elsewhere, or nowhere.
const ELSEWHERE: f64 = 0.8;
const NOWHERE: f64 = 0.2;
/// From how many requests on a name that so many have is always there.
const LEAST: u32 = 20;
const SHARE: f64 = 0.9;

/// The names of one request, each once, as 16-bit hashes.
#[derive(Debug, Default)]
pub struct Names {
    pub names: Vec<u16>,
    /// Whether the service has each at other endpoints.
    elsewhere: Vec<bool>,
    pub doubled: bool,
    pub set: u64,
}

impl Names {
    pub fn clear(&mut self) {
        self.names.clear();
        self.elsewhere.clear();
        (self.doubled, self.set) = (false, 0);
    }

    /// Adds a name by its hash; the order of names does not matter.
    pub fn add(&mut self, hash: u64, elsewhere: bool) -> u16 {
        let name = name(hash);
        if self.names.contains(&name) {
            self.doubled = true;
        } else {
            self.names.push(name);
            self.elsewhere.push(elsewhere);
            self.set = self
                .set
                .wrapping_add(hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        }
        name
    }

    fn set(&self) -> u16 {
        Self::set_of(self.set)
    }

    /// What a set of names is told apart by.
    pub fn set_of(set: u64) -> u16 {
        (set >> 24) as u16
    }
}

/// What is unusual about the names, in nats.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Said {
    pub names: f64,
    pub doubled: f64,
    /// A name that is always there is missing: one of how many requests had it, of all.
    pub missing: Option<(u16, u16, u32)>,
    /// This name was never seen here.
    pub new: Option<u16>,
}

/// What a name is told apart by.
pub fn name(hash: u64) -> u16 {
    (hash >> 16) as u16
}

/// Requests whose names were observed, and the odd ones.
pub fn counts(cells: Option<&[u64]>) -> (u32, u32) {
    cells.map_or((0, 0), |cells| pair(cells[0]))
}

/// Whether an endpoint knows a name.
pub fn knows(cells: Option<&[u64]>, name: u16) -> bool {
    cells.is_some_and(|cells| Outcomes::new(&cells[SINGLE_AT..], SINGLE).rarer(name).1)
}

/// How unusual the names are.
pub fn said(cells: Option<&[u64]>, names: &Names) -> Said {
    let n = f64::from(counts(cells).0);
    let rare = |at: usize, slots: usize, outcome: u16| {
        cells.map_or((0.0, false), |cells| {
            Outcomes::new(&cells[at..], slots).rarer(outcome)
        })
    };
    let share = |so: f64, prior: f64| ((so + PRIOR * prior) / (n + PRIOR)).min(1.0);
    let mut said = Said {
        names: nats(share(rare(SETS_AT, SETS, names.set()).0, NEW_SET)).max(0.0),
        ..Said::default()
    };
    for (&name, &elsewhere) in names.names.iter().zip(&names.elsewhere) {
        let (rarer, known) = rare(SINGLE_AT, SINGLE, name);
        let prior = match (known, elsewhere) {
            (true, _) => 1.0,
            (false, true) => ELSEWHERE,
            (false, false) => NOWHERE,
        };
        let nats = nats(share(rarer, prior));
        if nats > said.names {
            (said.names, said.new) = (nats, (!known).then_some(name));
        }
    }
    if names.doubled {
        let so = cells.map_or(0, |cells| pair(cells[1]).0);
        said.doubled = nats(share(f64::from(so), DOUBLED));
    }
    if let Some(cells) = cells {
        missing(cells, names, &mut said);
    }
    said
}

fn missing(cells: &[u64], names: &Names, said: &mut Said) {
    let (n, used) = (pair(cells[0]).0, pair(cells[1]).1 as usize);
    if n < LEAST {
        return;
    }
    for slot in 0..used.min(ALWAYS) {
        let with = lane(&cells[ALWAYS_AT..], ALWAYS + slot);
        let name = lane(&cells[ALWAYS_AT..], slot);
        if f64::from(with) < SHARE * f64::from(n) || names.names.contains(&name) {
            continue;
        }
        let without = f64::from(n.saturating_sub(u32::from(with)));
        let nats = nats((without + PRIOR * MISSING) / (f64::from(n) + PRIOR));
        if nats > said.names {
            (said.names, said.new, said.missing) = (nats, None, Some((name, with, n)));
        }
    }
}

/// Learns the names of a request.
pub fn teach(cells: &mut [u64], names: &[u16], set: u16, twice: bool) {
    let (n, odd) = pair(cells[0]);
    let n = n + 1;
    let (doubled, mut used) = pair(cells[1]);
    observe(&mut cells[SETS_AT..SINGLE_AT], SETS, set, n);
    for &name in names {
        observe(&mut cells[SINGLE_AT..ALWAYS_AT], SINGLE, name, n);
        let slots = &mut cells[ALWAYS_AT..CELLS];
        let known = (0..used as usize).find(|&slot| lane(slots, slot) == name);
        match known {
            Some(slot) => count_lane(slots, ALWAYS + slot),
            None if (used as usize) < ALWAYS => {
                set_lane(slots, used as usize, name);
                set_lane(slots, ALWAYS + used as usize, 1);
                used += 1;
            }
            None => {}
        }
    }
    cells[0] = cell(n, odd);
    cells[1] = cell(doubled + u32::from(twice), used);
    if n >= MANY {
        cells[0] = cell(n / 2, odd / 2);
        cells[1] = cell(doubled / 2, used);
        halve_set(&mut cells[SETS_AT..SINGLE_AT], SETS);
        halve_set(&mut cells[SINGLE_AT..ALWAYS_AT], SINGLE);
        halve(&mut cells[ALWAYS_AT + ALWAYS / 4..CELLS]);
    }
}
