//! A table shard by shard: keys in queue order, then cells kernel by kernel under the identity of what they compute.
//!
//! The order of the slots is noted when a copy begins, main queue first: an entry that is promoted meanwhile comes after
//! those that were there before it, and one that is removed is left out. An entry is as it was when its shard was copied.

use super::slab::{HEADER, PLACE, Place};
use super::{NONE, Table};
use crate::error::Result;
use crate::snapshot::{SHARD, Sink, Source};

/// Entries of a shard at most: each is a read that may have to wait for memory.
const ENTRIES: usize = 2_048;

/// A kernel's cells in an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What they compute; equal in every plan that computes the same.
    pub identity: String,
    /// The first of them.
    pub cell: usize,
    /// How many.
    pub cells: usize,
    /// Whether the first is a handle into the spill.
    pub spills: bool,
}

/// How far a copy has come.
#[derive(Debug)]
pub struct Copying {
    slots: Vec<u32>,
    at: usize,
    begun: bool,
}

impl Copying {
    /// Whether nothing is left.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.at >= self.slots.len()
    }
}

impl Table {
    /// Notes which entries a copy is made of.
    #[must_use]
    pub fn start_copy(&self) -> Copying {
        let mut slots = Vec::with_capacity(self.index.len());
        for queue in [&self.main, &self.probation] {
            let (front, back) = queue.as_slices();
            slots.extend_from_slice(front);
            slots.extend_from_slice(back);
        }
        slots.extend(self.fresh.iter().map(|&(_, slot)| slot));
        Copying {
            slots,
            at: 0,
            begun: false,
        }
    }

    /// Copies the next entries; false when none are left. The first shard holds none: noting the slots took its time.
    pub fn copy(&self, copying: &mut Copying, sections: &[Section], to: &mut Sink) -> bool {
        let Some(rest) = copying
            .slots
            .get(copying.at..)
            .filter(|rest| !rest.is_empty())
        else {
            return false;
        };
        if !std::mem::replace(&mut copying.begun, true) {
            self.copy_slots(&[], sections, to);
            return true;
        }
        let (mut slots, mut bytes) = (Vec::with_capacity(ENTRIES), 0);
        for &slot in rest.iter().take(ENTRIES) {
            copying.at += 1;
            if self.slab.key(slot) != 0 {
                slots.push(slot);
                bytes += 8 * (HEADER + self.slab.width() + self.slab.words(slot) as usize);
                if bytes >= SHARD {
                    break;
                }
            }
        }
        self.copy_slots(&slots, sections, to);
        true
    }

    fn copy_slots(&self, slots: &[u32], sections: &[Section], to: &mut Sink) {
        to.number(slots.len() as u64);
        for &slot in slots {
            to.words(&self.slab.saved(slot));
            to.number(match self.slab.place(slot) {
                Place::Fresh => self
                    .fresh
                    .get(self.slab.fresh_place(slot))
                    .map_or(0, |&(row, _)| row),
                _ => 0,
            });
        }
        to.number(sections.len() as u64);
        for section in sections {
            to.text(&section.identity);
            to.number(section.cells as u64);
            to.number(u64::from(section.spills));
            for &slot in slots {
                let cells = &self.slab.cells(slot)[section.cell..section.cell + section.cells];
                match cells {
                    [handle, rest @ ..] if section.spills => {
                        let list = self.spill.list(*handle);
                        to.number(list.len() as u64);
                        to.words(rest);
                        to.words(list);
                    }
                    _ => to.words(cells),
                }
            }
        }
    }

    /// Takes up a shard and answers the slots of its entries; cells of kernels that are not among `sections` are left out.
    ///
    /// # Errors
    /// It is no shard.
    pub fn load(&mut self, sections: &[Section], from: &mut Source<'_>) -> Result<Vec<u32>> {
        let entries = self.load_keys(from)?;
        for _ in 0..from.count(24)? {
            self.load_section(&entries, sections, from)?;
        }
        let entries = entries.into_iter().filter(|&(slot, _)| slot != NONE);
        Ok(entries
            .map(|(slot, place)| self.queue(slot, place))
            .collect())
    }

    /// Makes the entries; NONE for a key that is there already.
    fn load_keys(&mut self, from: &mut Source<'_>) -> Result<Vec<(u32, u64)>> {
        let mut entries = Vec::new();
        for _ in 0..from.count(8 * (HEADER + 1))? {
            let mut saved = [0; HEADER];
            saved.copy_from_slice(&from.words(HEADER)?);
            let row = from.number()?;
            let (key, place) = (saved[0], saved[3] & PLACE);
            if key == 0 {
                return Err(from.bad("an entry without a key"));
            }
            let mut slot = NONE;
            if self.find(key) == NONE {
                slot = self.insert(key, row, saved[1] as i64);
                if place != 0 {
                    self.fresh.pop();
                }
                self.slab.restore(slot, &saved);
            }
            entries.push((slot, place));
        }
        Ok(entries)
    }

    fn load_section(
        &mut self,
        entries: &[(u32, u64)],
        sections: &[Section],
        from: &mut Source<'_>,
    ) -> Result<()> {
        let identity = from.text()?;
        let (cells, spills) = (from.number()? as usize, from.number()? != 0);
        let wanted = sections.iter().find(|section| {
            section.identity == identity && section.cells == cells && section.spills == spills
        });
        if spills && cells == 0 {
            return Err(from.bad("a list without a cell"));
        }
        for &(slot, _) in entries {
            let mut words = from.words(cells)?;
            let list = match words.first_mut().filter(|_| spills) {
                Some(length) => from.list(std::mem::take(length))?,
                None => Vec::new(),
            };
            let Some(section) = wanted.filter(|_| slot != NONE) else {
                continue;
            };
            if !list.is_empty() {
                self.spill.insert(&mut words[0], 0, &list);
            }
            self.slab.cells_mut(slot)[section.cell..section.cell + cells].copy_from_slice(&words);
            self.charge(slot);
        }
        Ok(())
    }

    /// Puts a loaded entry at the end of the queue it was in; a fresh one is among the fresh ones already.
    fn queue(&mut self, slot: u32, place: u64) -> u32 {
        match place {
            0 => {}
            1 => {
                self.slab.requeue(slot, Place::Probation);
                self.probation_bytes += self.cost(slot);
                self.probation.push_back(slot);
            }
            _ => {
                self.slab.requeue(slot, Place::Main);
                self.main.push_back(slot);
            }
        }
        slot
    }
}
