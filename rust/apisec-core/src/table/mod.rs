//! The keyed table: one bounded map from a 64-bit key to a fixed row of cells, shared by every kernel of that key.
//!
//! Entries are made and visited only by rows that count. Nothing is evicted between two calls of `settle`, so what a
//! row sees never depends on how the stream was cut. The cost of an entry is published:
//! `64 + 8 * cells + 8 * spilled words` bytes, held under the cap at every settle.

mod queues;
mod slab;
pub mod snapshot;
mod spill;

use std::collections::VecDeque;

use hashbrown::HashTable;
use slab::Slab;
pub use spill::Spill;

/// No entry.
pub const NONE: u32 = u32::MAX;

/// Bytes of an entry beside its cells: key, times, queue place and index.
pub const ENTRY_BYTES: u64 = 64;

/// A visit this long (ns) after the first one earns a place in the main queue; sooner ones prove nothing.
pub const PROMOTION: i64 = 1_000_000_000;

/// What a table tells of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Entries held.
    pub entries: u64,
    /// Their cost by the published formula.
    pub bytes: u64,
    /// Entries removed to stay under the cap.
    pub evicted: u64,
    /// Entries removed because nothing visited them for the expiry.
    pub expired: u64,
}

/// A bounded map from key to cells.
#[derive(Debug)]
pub struct Table {
    slab: Slab,
    /// Key and slot: a search that finds nothing never leaves the index.
    index: HashTable<(u64, u32)>,
    spill: Spill,
    handles: Vec<usize>,
    fresh: Vec<(u64, u32)>,
    found: usize,
    probation: VecDeque<u32>,
    main: VecDeque<u32>,
    cap: u64,
    expiry: i64,
    probation_bytes: u64,
    metrics: Metrics,
    followed: Option<usize>,
    gone: Vec<u64>,
}

impl Table {
    /// A table of `cells` words an entry under `cap` bytes; entries not visited for `expiry` ns go.
    /// `handles` are the cells that hold spill handles.
    #[must_use]
    pub fn new(cells: usize, handles: Vec<usize>, cap: u64, expiry: i64) -> Self {
        Self {
            slab: Slab::new(cells, cap / (ENTRY_BYTES + 8 * cells as u64)),
            index: HashTable::new(),
            spill: Spill::default(),
            handles,
            fresh: Vec::new(),
            found: 0,
            probation: VecDeque::new(),
            main: VecDeque::new(),
            cap,
            expiry,
            probation_bytes: 0,
            metrics: Metrics::default(),
            followed: None,
            gone: Vec::new(),
        }
    }

    /// From now on keeps a cell of each entry that is removed, for `take_gone`.
    pub fn follow(&mut self, cell: usize) {
        self.followed = Some(cell);
    }

    /// The followed cell of each entry removed since this was last called, in order.
    pub fn take_gone(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.gone)
    }

    /// The table's own counts.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics {
            entries: self.index.len() as u64,
            ..self.metrics
        }
    }

    /// The slot of `key`, or `NONE`.
    #[inline]
    #[must_use]
    pub fn find(&self, key: u64) -> u32 {
        let found = self.index.find(hash(key), |&(other, _)| other == key);
        found.map_or(NONE, |&(_, slot)| slot)
    }

    /// The slots of a column of keys (0: none); one search for a run of equal keys.
    pub fn find_all(&mut self, keys: &[u64], slots: &mut [u32]) {
        self.found = self.fresh.len();
        let (mut last, mut found) = (0, NONE);
        for (slot, &key) in slots.iter_mut().zip(keys) {
            if key != last {
                found = if key == 0 { NONE } else { self.find(key) };
                last = key;
            }
            *slot = found;
        }
    }

    /// Fetches entries that are about to be used: reads that do not wait for each other cost a fraction of reads that do.
    pub fn warm(&self, slots: &[u32]) {
        let read = |all: u64, &slot: &u32| {
            if slot == NONE {
                all
            } else {
                all ^ self.slab.touch(slot)
            }
        };
        std::hint::black_box(slots.iter().fold(0, read));
        for &cell in &self.handles {
            let read = |all: u64, &slot: &u32| {
                if slot == NONE {
                    all
                } else {
                    all ^ self.spill.touch(self.slab.cells(slot)[cell])
                }
            };
            std::hint::black_box(slots.iter().fold(0, read));
        }
    }

    /// Visits the entry of `key` for a counted row, making it if there is none; `slot` is what is known of it.
    #[inline]
    pub fn visit(&mut self, key: u64, slot: u32, row: u64, time: i64) -> u32 {
        let slot = if slot == NONE { self.find(key) } else { slot };
        if slot == NONE {
            return self.insert(key, row, time);
        }
        if let Some(place) = self.slab.visit(slot, time)
            && let Some(fresh) = self.fresh.get_mut(place)
        {
            fresh.0 = fresh.0.min(row);
        }
        slot
    }

    fn insert(&mut self, key: u64, row: u64, time: i64) -> u32 {
        let slot = self.slab.insert(key, time, self.fresh.len());
        self.index
            .insert_unique(hash(key), (key, slot), |&(other, _)| hash(other));
        self.fresh.push((row, slot));
        self.metrics.bytes += self.cost(slot);
        slot
    }

    /// Whether an entry was made since `find_all`.
    #[inline]
    #[must_use]
    pub fn has_grown(&self) -> bool {
        self.fresh.len() > self.found
    }

    /// The cells of an entry.
    #[inline]
    #[must_use]
    pub fn cells(&self, slot: u32) -> &[u64] {
        self.slab.cells(slot)
    }

    /// What grew beyond the cells, to read.
    #[must_use]
    pub fn spill(&self) -> &Spill {
        &self.spill
    }

    /// The cells of an entry and the spill, to write. Call `charge` after a change to the spill.
    #[inline]
    pub fn parts(&mut self, slot: u32) -> (&mut [u64], &mut Spill) {
        (self.slab.cells_mut(slot), &mut self.spill)
    }

    /// Books what the last writer put in the spill to the entry it wrote for.
    #[inline]
    pub fn charge(&mut self, slot: u32) {
        let grown = self.spill.take_grown();
        if grown != 0 {
            self.metrics.bytes = self.metrics.bytes.saturating_add_signed(8 * grown);
            if self.slab.add_words(slot, grown) == slab::Place::Probation {
                self.probation_bytes = self.probation_bytes.saturating_add_signed(8 * grown);
            }
        }
    }

    /// How many entries fit under the cap, as they begin.
    #[must_use]
    pub fn room(&self) -> usize {
        (self.cap / (ENTRY_BYTES + 8 * self.slab.width() as u64)) as usize
    }

    /// The settled entries, in the order of their queues.
    pub fn slots(&self) -> impl Iterator<Item = u32> {
        self.probation.iter().chain(&self.main).copied()
    }

    /// The key of an entry.
    #[must_use]
    pub fn key(&self, slot: u32) -> u64 {
        self.slab.key(slot)
    }

    /// Removes every entry.
    pub fn clear(&mut self) {
        let fresh = std::mem::take(&mut self.fresh);
        for slot in fresh.into_iter().map(|(_, slot)| slot).collect::<Vec<_>>() {
            self.remove(slot);
        }
        for slot in self
            .probation
            .drain(..)
            .chain(self.main.drain(..))
            .collect::<Vec<_>>()
        {
            self.remove(slot);
        }
        self.probation_bytes = 0;
    }

    /// Puts `count` cells from `cell` on back to their beginning, in every settled entry; `spills` if the first is a handle.
    pub fn zero(&mut self, cell: usize, count: usize, spills: bool) {
        for slot in self
            .probation
            .iter()
            .chain(&self.main)
            .copied()
            .collect::<Vec<_>>()
        {
            if spills {
                self.spill.free(self.slab.cells(slot)[cell]);
            }
            self.slab.cells_mut(slot)[cell..cell + count].fill(0);
            self.charge(slot);
        }
    }

    fn cost(&self, slot: u32) -> u64 {
        ENTRY_BYTES + 8 * (self.slab.width() as u64 + self.slab.words(slot))
    }

    fn remove(&mut self, slot: u32) {
        self.metrics.bytes = self.metrics.bytes.saturating_sub(self.cost(slot));
        if let Some(cell) = self.followed {
            self.gone.push(self.slab.cells(slot)[cell]);
        }
        let key = self.slab.key(slot);
        if let Ok(found) = self
            .index
            .find_entry(hash(key), |&(_, other)| other == slot)
        {
            found.remove();
        }
        for &cell in &self.handles {
            self.spill.free(self.slab.cells(slot)[cell]);
        }
        self.spill.take_grown();
        self.slab.remove(slot);
    }
}

/// Keys are keyed hashes already; this only spreads those that a mix left with a fixed low bit.
#[inline]
fn hash(key: u64) -> u64 {
    let spread = key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    spread ^ (spread >> 32)
}

#[cfg(test)]
mod tests;
