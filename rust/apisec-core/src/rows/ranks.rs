//! How suspicious each session is, as of the last of its requests that were judged in order of time.
//!
//! Two maps of one size: where the young one is full, the old one is forgotten and the young one becomes it. So the
//! sequence of requests alone says what is known, however it was cut.

use crate::error::Result;
use crate::hash::IdMap;
use crate::snapshot::{Keeps, Sink, Source};

/// What a session costs, in bytes: a slot in each map, a third of which is empty.
const ENTRY: u64 = 64;
/// Sessions of a shard at most.
const PIECE: usize = 4_096;

/// The rank of each session that has one worth remembering.
#[derive(Debug)]
pub struct Ranks {
    young: IdMap<u64, f64>,
    old: IdMap<u64, f64>,
    most: usize,
    least: f64,
    /// Sessions that went for want of room.
    pub evicted: u64,
}

impl Ranks {
    /// Nothing known; within `bytes`, and of ranks from `least` on.
    #[must_use]
    pub fn new(bytes: u64, least: f64) -> Self {
        Self {
            young: IdMap::default(),
            old: IdMap::default(),
            most: usize::try_from(bytes / ENTRY / 2).unwrap_or(1).max(1),
            least,
            evicted: 0,
        }
    }

    /// Sessions known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all.
    pub fn restart(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    /// The rank of a session; 0 where none is known.
    #[must_use]
    pub fn of(&self, session: u64) -> f64 {
        let known = self.young.get(&session).or_else(|| self.old.get(&session));
        known.copied().unwrap_or_default()
    }

    /// Takes up what rows say of their sessions, and answers for each (session, rows): its rank as of so many rows.
    pub fn follow(
        &mut self,
        rows: impl Iterator<Item = (u64, f64)>,
        asked: &[(u64, usize)],
    ) -> Vec<f64> {
        let mut order: Vec<usize> = (0..asked.len()).collect();
        order.sort_by_key(|&at| asked.get(at).map(|(_, rows)| *rows));
        let mut order = order.into_iter().peekable();
        let mut answers = vec![0.0; asked.len()];
        let mut answer = |ranks: &Self, until: usize| {
            let due = |&at: &usize| asked.get(at).is_some_and(|&(_, rows)| rows <= until);
            while let Some(at) = order.next_if(due) {
                if let (Some(out), Some((session, _))) = (answers.get_mut(at), asked.get(at)) {
                    *out = ranks.of(*session);
                }
            }
        };
        for (at, (session, rank)) in rows.enumerate() {
            answer(self, at);
            self.put(session, rank);
        }
        answer(self, usize::MAX);
        answers
    }

    /// A row that says nothing (no number, or none above 0) changes nothing.
    fn put(&mut self, session: u64, rank: f64) {
        if session == 0 || rank.is_nan() || rank <= 0.0 {
            return;
        }
        self.old.remove(&session);
        if rank < self.least {
            self.young.remove(&session);
            return;
        }
        if self.young.len() == self.most && !self.young.contains_key(&session) {
            self.evicted += self.old.len() as u64;
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(session, rank);
    }
}

/// How far a copy has come: sessions of each map to go.
#[derive(Debug)]
pub struct Copying([Vec<u64>; 2]);

impl Keeps for Ranks {
    const LAYOUT: u64 = 1;
    type Copying = Copying;

    fn start(&self) -> Copying {
        Copying([&self.young, &self.old].map(|map| map.keys().copied().collect()))
    }

    fn copy(&self, at: &mut Copying, to: &mut Sink) -> bool {
        for (which, map) in [&self.young, &self.old].into_iter().enumerate() {
            let Some(keys) = at.0.get_mut(which).filter(|keys| !keys.is_empty()) else {
                continue;
            };
            to.number(which as u64);
            for key in keys.split_off(keys.len().saturating_sub(PIECE)) {
                if let Some(rank) = map.get(&key) {
                    to.words(&[key, rank.to_bits()]);
                }
            }
            return true;
        }
        false
    }

    fn load(&mut self, from: &mut Source<'_>) -> Result<()> {
        let map = match from.number()? {
            0 => &mut self.young,
            _ => &mut self.old,
        };
        while !from.is_empty() {
            let (session, rank) = (from.number()?, f64::from_bits(from.number()?));
            if map.len() < self.most && rank >= self.least {
                map.insert(session, rank);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot;

    fn ranks(most: u64) -> Ranks {
        Ranks::new(most * 2 * ENTRY, 0.1)
    }

    #[test]
    fn a_rank_is_told_as_of_a_row_and_as_of_no_later_one() {
        let mut ranks = ranks(8);
        let rows = [(1, 0.5), (2, 0.3), (1, 0.9), (1, f64::NAN), (2, 0.05)];
        let asked = [(1, 5), (1, 0), (1, 1), (1, 2), (1, 3), (2, 4), (2, 5)];
        let told = ranks.follow(rows.into_iter(), &asked);
        assert_eq!(told, [0.9, 0.0, 0.5, 0.5, 0.9, 0.3, 0.0]);
        assert_eq!(ranks.follow([].into_iter(), &[(1, 0)]), [0.9]);
    }

    #[test]
    fn who_was_ranked_longest_ago_goes_first_and_a_restart_changes_nothing() {
        let mut whole = ranks(4);
        let mut first = ranks(4);
        let rows = |from: u64, to: u64| (from..to).map(|at| (at % 11 + 1, 0.2 + 0.01 * at as f64));
        let asked: Vec<_> = (1..12).map(|session| (session, 99)).collect();
        whole.follow(rows(0, 9), &[]);
        first.follow(rows(0, 9), &[]);
        let mut second = ranks(4);
        let mut at = first.start();
        while let Some(shard) = snapshot::shard(&first, &mut at) {
            assert_eq!(snapshot::load(&mut second, &shard), Ok(true));
        }
        let told = whole.follow(rows(9, 30), &asked);
        assert_eq!(second.follow(rows(9, 30), &asked), told);
        assert!(whole.len() <= 8 && whole.evicted > 0);
        assert_eq!(told[29 % 11], 0.2 + 0.01 * 29.0);
        assert_eq!(
            told.iter().filter(|rank| **rank == 0.0).count(),
            11 - whole.len()
        );
    }
}
