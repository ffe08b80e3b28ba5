//! Who is linked with whom: what one caller rotates (address, agent, token) is seen together with what he keeps.
//!
//! A node is an id: principal, session, credential, place (address, or an IPv6 network) or device (place with agent).
//! Each knows the others it was last seen with. A path is as strong as its links together, and a link fades with age.
//! A node that too many others were seen with lately links nobody: behind one address many people may sit.

mod keep;

use crate::codec::{PAIRED, Record, SpanBatch};
use crate::hash;
use crate::table::{Metrics, NONE, Table};
use serde::Deserialize;

/// What the processor `decide` hands over at start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Cap of the table, in bytes.
    pub bytes: u64,
    /// Strength of a fresh link, 0 to 1.
    pub hop: f64,
    /// A link is half as strong after this long, in nanoseconds.
    pub half_life: i64,
    /// A link is forgotten after this long, in nanoseconds.
    pub forget: i64,
    /// A node linked to more than so many others links nobody.
    pub hub: usize,
    /// Weaker paths are none.
    pub weakest: f64,
    /// Most nodes that are followed from one.
    pub most: usize,
}

const SECOND: i64 = 1_000_000_000;
/// Pairings between two settlings of the table.
const SEGMENT: u64 = 512;
/// Words of a partner: its id and when the two were last seen together.
const PARTNER: usize = 2;
/// Words of an entry: the handle of its list, and its first partners, for most have no more.
const CELLS: usize = 1 + 2 * PARTNER;

/// The table of nodes.
#[derive(Debug)]
pub struct Links {
    settings: Settings,
    table: Table,
    pairings: u64,
    settled: (u64, i64),
}

impl Links {
    /// Nobody is linked.
    pub fn new(settings: Settings) -> Self {
        Self {
            table: Table::new(CELLS, vec![0], settings.bytes, settings.forget),
            settings,
            pairings: 0,
            settled: (0, 0),
        }
    }

    /// Notes who is seen with whom in the rows from `from` on and before `to`, as the sessions' step marked them.
    pub fn observe(&mut self, batch: &SpanBatch, from: usize, to: usize) {
        let rows = batch.records().skip(from).take(to.saturating_sub(from));
        for r in rows.filter(|r| r.marks & PAIRED != 0) {
            self.pair(r);
        }
    }

    fn pair(&mut self, r: &Record) {
        self.settle(r.stream);
        let actor = if r.principal == 0 {
            r.session
        } else {
            r.principal
        };
        let device = hash::mix(r.place(), r.user_agent.max(1));
        self.join(actor, device, r.stream);
        self.join(device, r.place(), r.stream);
        self.join(actor, r.session, r.stream);
        self.join(actor, r.credential, r.stream);
        self.pairings += 1;
    }

    fn settle(&mut self, stream: i64) {
        let second = stream.div_euclid(SECOND);
        if second != self.settled.1 {
            self.table.settle();
            self.table.expire(second * SECOND);
        } else if self.pairings - self.settled.0 >= SEGMENT {
            self.table.settle();
        } else {
            return;
        }
        self.settled = (self.pairings, second);
    }

    fn join(&mut self, a: u64, b: u64, time: i64) {
        if a != 0 && b != 0 && a != b {
            self.note(a, b, time);
            self.note(b, a, time);
        }
    }

    /// Notes a partner of a node; past one more than a hub needs, in place of the one not seen for longest.
    fn note(&mut self, node: u64, other: u64, time: i64) {
        let slot = self.table.visit(node, NONE, self.pairings, time);
        let (cells, spill) = self.table.parts(slot);
        let Some((handle, first)) = cells.split_first_mut() else {
            return;
        };
        let list = spill.list_mut(*handle);
        let length = list.len();
        let full = first.len() + length >= PARTNER * (self.settings.hub + 1);
        let rank = |of: &[u64]| match of[0] {
            id if id == other => Some((0, 0)),
            0 => Some((1, 0)),
            _ => full.then_some((2, of[1] as i64)),
        };
        let all = first
            .chunks_exact_mut(PARTNER)
            .chain(list.chunks_exact_mut(PARTNER));
        let ranked = all.filter_map(|of| rank(of).map(|rank| (rank, of)));
        match ranked.min_by_key(|(rank, _)| *rank) {
            Some((_, of)) => of.copy_from_slice(&[other, time as u64]),
            None => spill.insert(handle, length, &[other, time as u64]),
        }
        self.table.charge(slot);
    }

    /// Who is linked with an id at a time, the strongest first, each with its strength.
    #[must_use]
    pub fn near(&self, id: u64, now: i64) -> Vec<(u64, f64)> {
        let mut found: Vec<(u64, f64)> = Vec::new();
        let mut open = vec![(id, 1.0)];
        while let Some((node, strength)) = take_strongest(&mut open) {
            if found.iter().any(|&(known, _)| known == node) {
                continue;
            }
            let Some(partners) = self.partners(node, now) else {
                continue;
            };
            found.push((node, strength));
            if found.len() > self.settings.most {
                break;
            }
            open.extend(partners.filter_map(|(other, time)| {
                let strength = strength * self.strength(now - time);
                (strength >= self.settings.weakest).then_some((other, strength))
            }));
        }
        found.into_iter().skip(1).collect()
    }

    fn strength(&self, age: i64) -> f64 {
        let lives = age.max(0) as f64 / self.settings.half_life.max(1) as f64;
        self.settings.hop * (-lives).exp2()
    }

    /// With whom a node was seen lately; None of a hub, and of what is not known.
    fn partners(&self, node: u64, now: i64) -> Option<impl Iterator<Item = (u64, i64)>> {
        let slot = self.table.find(node);
        if slot == NONE {
            return None;
        }
        let (handle, first) = self.table.cells(slot).split_first()?;
        let forget = self.settings.forget;
        let more = self.table.spill().list(*handle).chunks_exact(PARTNER);
        let all = first.chunks_exact(PARTNER).chain(more);
        let live = all
            .map(|of| (of[0], of[1] as i64))
            .filter(move |&(id, time)| id != 0 && now - time <= forget);
        (live.clone().count() <= self.settings.hub).then_some(live)
    }

    /// What the table tells of itself.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.table.metrics()
    }

    /// Forgets all links: a file that begins in the past of the one before.
    pub fn restart(&mut self) {
        self.table.clear();
        self.settled = (self.pairings, 0);
    }
}

/// Removes the strongest, of equal ones that of the smallest id.
fn take_strongest(open: &mut Vec<(u64, f64)>) -> Option<(u64, f64)> {
    let all = open.iter().enumerate();
    let best = all.max_by(|(_, a), (_, b)| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
    let at = best.0;
    Some(open.swap_remove(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600 * SECOND;
    const ADDRESS: u64 = 77;

    fn links() -> Links {
        Links::new(Settings {
            bytes: 1 << 20,
            hop: 0.5,
            half_life: 6 * HOUR,
            forget: 24 * HOUR,
            hub: 20,
            weakest: 0.05,
            most: 64,
        })
    }

    fn seen(links: &mut Links, principal: u64, client: u64, agent: u64, time: i64) {
        links.pair(&Record {
            principal,
            client,
            user_agent: agent,
            stream: time,
            ..Record::default()
        });
    }

    fn strength(links: &Links, from: u64, to: u64, now: i64) -> f64 {
        let near = links.near(from, now);
        near.iter()
            .find(|(id, _)| *id == to)
            .map_or(0.0, |found| found.1)
    }

    #[test]
    fn a_token_behind_one_device_is_linked_with_the_next() {
        let mut links = links();
        seen(&mut links, 1, ADDRESS, 5, 0);
        seen(&mut links, 2, ADDRESS, 5, 0);
        assert_eq!(strength(&links, 1, 2, 0), 0.25);
        assert_eq!(strength(&links, 2, ADDRESS, 0), 0.25);
        assert_eq!(strength(&links, 2, 1, 6 * HOUR), 0.0625, "both links fade");
        assert_eq!(strength(&links, 2, 1, 25 * HOUR), 0.0);
    }

    #[test]
    fn other_devices_of_an_address_are_far() {
        let mut links = links();
        seen(&mut links, 1, ADDRESS, 5, 0);
        seen(&mut links, 2, ADDRESS, 6, 0);
        assert_eq!(strength(&links, 1, 2, 0), 0.0625);
    }

    #[test]
    fn a_hub_links_nobody_until_its_partners_are_gone() {
        let mut links = links();
        for principal in 1..=20 {
            seen(&mut links, principal, ADDRESS, 5, 0);
        }
        assert_eq!(links.near(1, 0), [], "twenty principals and the address");
        seen(&mut links, 1, ADDRESS, 5, 30 * HOUR);
        seen(&mut links, 2, ADDRESS, 5, 30 * HOUR);
        assert_eq!(strength(&links, 1, 2, 30 * HOUR), 0.25);
    }

    #[test]
    fn memory_is_bounded() {
        let mut links = links();
        for id in 1..=100_000 {
            seen(&mut links, id * 7, id * 11, id * 13, id as i64 * 1_000_000);
        }
        assert!(links.metrics().bytes < (1 << 20) + 512 * 4 * 104);
        assert!(links.metrics().evicted > 0);
    }
}
