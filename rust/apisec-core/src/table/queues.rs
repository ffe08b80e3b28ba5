//! Two queues: keys on probation fill at most a fifth of the cap, and only a visit a second later moves one to main.
//! An attacker who sends each made-up key twice at once therefore displaces other made-up keys, not established ones.
//! In main, an entry outlasts a sweep unvisited for each further second in which it came, three at most, and three again
//! once it comes there: keys sent twice a second apart leave before those that come seldom but keep coming.

use super::Table;
use super::slab::Place;

/// Entries of the main queue looked at for expiry in a tick.
const LOOKED_AT: usize = 32;

impl Table {
    /// Puts what is new on probation, in the order of the rows that first counted it, and evicts down to the cap.
    pub fn settle(&mut self) {
        if !self.fresh.is_empty() {
            self.append_fresh();
        }
        while self.metrics.bytes > self.cap && self.evict_one() {}
    }

    fn append_fresh(&mut self) {
        let mut fresh = std::mem::take(&mut self.fresh);
        fresh.sort_by_key(|&(row, _)| row);
        for (_, slot) in fresh.drain(..) {
            self.slab.set_place(slot, Place::Probation);
            self.probation_bytes += self.cost(slot);
            self.probation.push_back(slot);
        }
        self.fresh = fresh;
    }

    /// One step of eviction: removes, promotes or spares the entry at a head. False when there is none.
    fn evict_one(&mut self) -> bool {
        if self.probation_bytes > self.cap / 5 || self.main.is_empty() {
            let Some(slot) = self.pop_probation() else {
                return false;
            };
            if self.slab.later(slot) {
                self.slab.take_proof(slot);
                self.slab.set_place(slot, Place::Main);
                self.main.push_back(slot);
                return true;
            }
            self.metrics.evicted += 1;
            self.remove(slot);
        } else if let Some(slot) = self.main.pop_front() {
            if self.slab.take_visited(slot) || self.slab.take_proof(slot) {
                self.main.push_back(slot);
                return true;
            }
            self.metrics.evicted += 1;
            self.remove(slot);
        }
        true
    }

    fn pop_probation(&mut self) -> Option<u32> {
        let slot = self.probation.pop_front()?;
        self.probation_bytes = self.probation_bytes.saturating_sub(self.cost(slot));
        Some(slot)
    }

    /// Removes what was not visited for the expiry: all such heads of probation, and a few of main at each tick.
    pub fn expire(&mut self, now: i64) {
        while let Some(&slot) = self.probation.front() {
            if !self.is_expired(slot, now) {
                break;
            }
            self.pop_probation();
            self.metrics.expired += 1;
            self.remove(slot);
        }
        for _ in 0..self.main.len().min(LOOKED_AT) {
            let Some(slot) = self.main.pop_front() else {
                break;
            };
            if self.is_expired(slot, now) {
                self.metrics.expired += 1;
                self.remove(slot);
            } else {
                self.main.push_back(slot);
            }
        }
    }

    fn is_expired(&self, slot: u32, now: i64) -> bool {
        self.slab.last(slot).saturating_add(self.expiry) < now
    }
}
