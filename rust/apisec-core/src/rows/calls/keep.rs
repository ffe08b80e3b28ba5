//! Calls in snapshots: which services are gateways, and the halves that wait, oldest first.

use super::share::{Service, Share};
use super::{Calls, Half, Waiting};
use crate::error::Result;
use crate::snapshot::{Sink, Source};

/// Halves of a shard at most.
const HALVES: usize = 1_024;

/// How far a copy has come: the number of the next half of each list, and before which it ends.
#[derive(Debug)]
pub struct Copying {
    services: bool,
    lists: [(u64, u64); 2],
}

impl Copying {
    /// Whether nothing is left to copy.
    pub fn is_over(&self) -> bool {
        !self.services && self.lists.iter().all(|(next, end)| next >= end)
    }
}

impl Waiting {
    /// Copies halves from number `next` on, which is moved.
    fn copy(&self, (next, end): &mut (u64, u64), to: &mut Sink) {
        *next = (*next).max(self.gone);
        let most = HALVES.min(end.saturating_sub(*next) as usize);
        let from = (*next - self.gone) as usize;
        for (until, id) in self.order.iter().skip(from).take(most) {
            *next += 1;
            if let Some(half) = self.halves.get(id) {
                to.words(&[*until as u64, *id]);
                to.words(&half.words());
            }
        }
    }

    fn load(&mut self, from: &mut Source<'_>) -> Result<()> {
        while !from.is_empty() {
            let (until, id) = (from.signed()?, from.number()?);
            let half = Half::of(&from.words(8)?);
            if self.halves.insert(id, half).is_none() {
                self.order.push_back((until, id));
            }
        }
        Ok(())
    }
}

impl Half {
    fn words(&self) -> [u64; 8] {
        let span = u64::from_be_bytes(self.span);
        let met = u64::from(self.met);
        let place = self.place as u64;
        [
            self.service,
            self.method,
            self.path,
            self.start,
            self.end,
            place,
            span,
            met,
        ]
    }

    fn of(words: &[u64]) -> Self {
        let word = |at: usize| words.get(at).copied().unwrap_or_default();
        Self {
            service: word(0),
            method: word(1),
            path: word(2),
            start: word(3),
            end: word(4),
            place: word(5) as i64,
            span: word(6).to_be_bytes(),
            met: word(7) != 0,
        }
    }
}

impl Calls {
    /// Begins a copy.
    pub fn start(&self) -> Copying {
        let whole = |list: &Waiting| (list.gone, list.gone + list.order.len() as u64);
        Copying {
            services: true,
            lists: [whole(&self.fronts), whole(&self.behind)],
        }
    }

    /// Copies the next shard.
    pub fn copy(&self, at: &mut Copying, to: &mut Sink) {
        if at.services {
            at.services = false;
            to.number(0);
            for (id, service) in &self.shares.services {
                let Service {
                    named: _,
                    front,
                    behind,
                } = service;
                to.words(&[*id, pair(*front), pair(*behind)]);
            }
            return;
        }
        let list = usize::from(at.lists[0].0 >= at.lists[0].1);
        to.number(1 + list as u64);
        let lists = [&self.fronts, &self.behind];
        lists[list].copy(&mut at.lists[list], to);
    }

    /// Takes up a shard.
    pub fn load(&mut self, from: &mut Source<'_>) -> Result<()> {
        match from.number()? {
            0 => self.load_services(from),
            1 => self.fronts.load(from),
            2 => self.behind.load(from),
            _ => Err(from.bad("neither services nor calls")),
        }
    }

    fn load_services(&mut self, from: &mut Source<'_>) -> Result<()> {
        while !from.is_empty() {
            let (id, front, behind) = (from.number()?, from.number()?, from.number()?);
            self.shares.take(id, share(front), share(behind));
        }
        Ok(())
    }
}

fn pair(share: Share) -> u64 {
    u64::from(share.met) << 32 | u64::from(share.alone)
}

fn share(word: u64) -> Share {
    Share {
        met: (word >> 32) as u32,
        alone: word as u32,
    }
}
