//! Who is linked with whom: what one caller rotates (address, agent, token) is seen together with what he keeps.
//!
//! A node is an id: principal, session, credential, place (address, or an IPv6 network) or device (place with agent).
//! Each knows the others that it was seen with, first and last. A path is as strong as its links together, and a link
//! fades with age. Over a place or device only who takes over is linked: one comes soon after the other was last seen.
//! Where somebody is seen again after another one came, several people take turns, and it links nobody; nor does a node
//! that too many others were seen with lately.

use super::sessions::NOTED;
use super::settled::{Settled, kept_as_table};
use crate::codec::{PAIRED, Record, SpanBatch};
use crate::hash;
use crate::table::{Metrics, NONE};
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
    /// Who comes to a place so long after another one was last seen there takes over, in nanoseconds.
    pub takeover: i64,
}

const SECOND: i64 = 1_000_000_000;
/// The half of a word that holds the last second.
const SECONDS: u64 = 0xFFFF_FFFF;
/// Pairings between two settlings of the table.
const SEGMENT: u64 = 128;
/// Pairings whose nodes are read at once.
const TOGETHER: usize = 64;
/// Words of a partner: its id, and the seconds when the two were first and last seen together.
const PARTNER: usize = 2;
/// Words of an entry: the handle of its list, whether it is a place, and its first partners, for most have no more.
const CELLS: usize = 2 + 2 * PARTNER;

/// Somebody seen with a node.
#[derive(Debug, Clone, Copy)]
struct Partner {
    id: u64,
    first: i64,
    last: i64,
}

impl Partner {
    fn of(words: &[u64]) -> Self {
        let time = words[1];
        Self {
            id: words[0],
            first: i64::from((time >> 32) as u32) * SECOND,
            last: i64::from(time as u32) * SECOND,
        }
    }
}

/// A time as whole seconds.
fn seconds(time: i64) -> u64 {
    u64::from(u32::try_from(time.div_euclid(SECOND).max(0)).unwrap_or(u32::MAX))
}

/// What conducts between those that were seen with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Principal, session or credential: always.
    Own,
    /// An address, network or device: only from one to whoever takes over.
    Place,
}

/// A caller, and what he was seen with.
#[derive(Debug)]
struct Pairing {
    time: i64,
    actor: u64,
    others: [(u64, Kind); 4],
}

impl Pairing {
    /// None of a row on which nothing new is seen.
    fn of(r: &Record) -> Option<Self> {
        let actor = if r.principal == 0 {
            r.session
        } else {
            r.principal
        };
        (r.marks & PAIRED != 0).then(|| Self {
            time: r.stream,
            actor,
            others: [
                (hash::mix(r.place(), r.user_agent.max(1)), Kind::Place),
                (r.place(), Kind::Place),
                (r.session, Kind::Own),
                (r.credential, Kind::Own),
            ],
        })
    }
}

kept_as_table!(Links);

/// The table of nodes.
#[derive(Debug)]
pub struct Links {
    settings: Settings,
    kept: Settled,
}

impl Links {
    /// Nobody is linked.
    pub fn new(settings: Settings) -> Self {
        Self {
            kept: Settled::new(
                ("links", CELLS, true),
                SEGMENT,
                settings.bytes,
                settings.forget,
            ),
            settings,
        }
    }

    /// Notes who is seen with whom in the rows from `from` on and before `to`, as the sessions' step marked them.
    pub fn observe(&mut self, batch: &SpanBatch, from: usize, to: usize) {
        let rows = batch.records().skip(from).take(to.saturating_sub(from));
        let mut pairings = rows.filter_map(Pairing::of);
        loop {
            let some: Vec<_> = pairings.by_ref().take(TOGETHER).collect();
            self.warm(&some);
            some.iter().for_each(|pairing| self.pair(pairing));
            if some.len() < TOGETHER {
                break;
            }
        }
    }

    /// Reads what is about to be used: reads that do not wait for each other cost a fraction of reads that do.
    fn warm(&mut self, pairings: &[Pairing]) {
        let ids = pairings.iter().flat_map(|of| {
            let others = of.others.map(|(id, _)| id);
            std::iter::once(of.actor).chain(others)
        });
        let ids: Vec<_> = ids.collect();
        let mut slots = vec![NONE; ids.len()];
        self.kept.table.find_all(&ids, &mut slots);
        self.kept.table.warm(&slots);
    }

    fn pair(&mut self, of: &Pairing) {
        self.kept.settle(of.time);
        let mut known = NONE;
        for (other, kind) in of.others {
            if of.actor != 0 && other != 0 && of.actor != other {
                known = self.note(of.actor, known, Kind::Own, other, of.time);
                self.note(other, NONE, kind, of.actor, of.time);
            }
        }
        self.kept.count();
    }

    /// Notes a partner of a node; past one more than a hub needs, in place of the one not seen for longest.
    fn note(&mut self, node: u64, slot: u32, kind: Kind, other: u64, time: i64) -> u32 {
        let number = self.kept.row();
        let slot = self.kept.table.visit(node, slot, number, time);
        let (cells, spill) = self.kept.table.parts(slot);
        let Some(([handle, place], first)) = cells.split_first_chunk_mut::<2>() else {
            return slot;
        };
        *place = u64::from(kind == Kind::Place);
        let list = spill.list_mut(*handle);
        let length = list.len();
        let full = first.len() + length >= PARTNER * (self.settings.hub + 1);
        let rank = |of: &[u64]| match of[0] {
            id if id == other => Some((0, 0)),
            0 => Some((1, 0)),
            _ => full.then(|| (2, Partner::of(of).last)),
        };
        let all = first
            .chunks_exact_mut(PARTNER)
            .chain(list.chunks_exact_mut(PARTNER));
        let ranked = all.filter_map(|of| rank(of).map(|rank| (rank, of)));
        let now = seconds(time);
        match ranked.min_by_key(|(rank, _)| *rank) {
            Some(((0, _), of)) => of[1] = of[1] >> 32 << 32 | now.max(of[1] & SECONDS),
            Some((_, of)) => of.copy_from_slice(&[other, now << 32 | now]),
            None => spill.insert(handle, length, &[other, now << 32 | now]),
        }
        self.kept.table.charge(slot);
        slot
    }

    /// Who is linked with an id at a time, the strongest first, each with its strength.
    #[must_use]
    pub fn near(&self, id: u64, now: i64) -> Vec<(u64, f64)> {
        let mut found: Vec<(u64, f64)> = Vec::new();
        let mut open = vec![Step {
            node: id,
            strength: 1.0,
            from: 0,
        }];
        while let Some(step) = take_strongest(&mut open) {
            let Some((kind, partners)) = self.partners(step.node, now) else {
                continue;
            };
            let known = found.iter().any(|&(known, _)| known == step.node);
            // A place is crossed once for each who was seen there.
            if known && kind == Kind::Own {
                continue;
            }
            if !known {
                found.push((step.node, step.strength));
            }
            if found.len() > self.settings.most {
                break;
            }
            let from = partners.iter().find(|of| of.id == step.from).copied();
            open.extend(partners.iter().filter_map(|to| {
                let strength = step.strength * self.strength(now - to.last);
                let crosses = kind == Kind::Own
                    || step.from == 0
                    || from.is_some_and(|from| self.takes_over(from, *to));
                (crosses && strength >= self.settings.weakest).then_some(Step {
                    node: to.id,
                    strength,
                    from: step.node,
                })
            }));
        }
        found.into_iter().skip(1).collect()
    }

    fn strength(&self, age: i64) -> f64 {
        let lives = age.max(0) as f64 / self.settings.half_life.max(1) as f64;
        self.settings.hop * (-lives).exp2()
    }

    /// Whether one of the two came soon after the other was last seen.
    fn takes_over(&self, a: Partner, b: Partner) -> bool {
        let (before, after) = if a.first <= b.first { (a, b) } else { (b, a) };
        after.first - before.last <= self.settings.takeover
    }

    /// With whom a node was seen lately; None of what links nobody, and of what is not known.
    fn partners(&self, node: u64, now: i64) -> Option<(Kind, Vec<Partner>)> {
        let slot = self.kept.table.find(node);
        if slot == NONE {
            return None;
        }
        let ([handle, place], first) = self.kept.table.cells(slot).split_first_chunk::<2>()?;
        let more = self.kept.table.spill().list(*handle).chunks_exact(PARTNER);
        let all = first.chunks_exact(PARTNER).chain(more).map(Partner::of);
        let live: Vec<_> = all
            .filter(|of| of.id != 0 && now - of.last <= self.settings.forget)
            .collect();
        if live.len() > self.settings.hub {
            return None;
        }
        match place {
            0 => Some((Kind::Own, live)),
            _ => (!take_turns(&live)).then_some((Kind::Place, live)),
        }
    }

    /// What the table tells of itself.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.kept.table.metrics()
    }

    /// Forgets all links: a file that begins in the past of the one before.
    pub fn restart(&mut self) {
        self.kept.restart();
    }
}

/// Whether somebody was seen again well after another one first came.
fn take_turns(seen: &[Partner]) -> bool {
    seen.iter().any(|a| {
        seen.iter()
            .any(|b| a.first < b.first && b.first < a.last - NOTED)
    })
}

/// A node to go to, and over which one.
#[derive(Debug, Clone, Copy)]
struct Step {
    node: u64,
    strength: f64,
    from: u64,
}

/// Removes the strongest, of equal ones that of the smallest ids.
fn take_strongest(open: &mut Vec<Step>) -> Option<Step> {
    let order = |a: &Step, b: &Step| {
        let ids = (b.node, b.from).cmp(&(a.node, a.from));
        a.strength.total_cmp(&b.strength).then(ids)
    };
    let best = open
        .iter()
        .enumerate()
        .max_by(|(_, a), (_, b)| order(a, b))?;
    let at = best.0;
    Some(open.swap_remove(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600 * SECOND;
    const MINUTE: i64 = 60 * SECOND;
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
            takeover: 5 * MINUTE,
        })
    }

    fn seen(links: &mut Links, principal: u64, client: u64, agent: u64, time: i64) {
        let row = Record {
            principal,
            client,
            user_agent: agent,
            stream: time,
            marks: PAIRED,
            ..Record::default()
        };
        Pairing::of(&row).iter().for_each(|of| links.pair(of));
    }

    fn strength(links: &Links, from: u64, to: u64, now: i64) -> f64 {
        let near = links.near(from, now);
        near.iter()
            .find(|(id, _)| *id == to)
            .map_or(0.0, |found| found.1)
    }

    #[test]
    fn a_token_is_linked_with_the_one_that_takes_over() {
        let mut links = links();
        seen(&mut links, 1, ADDRESS, 5, 0);
        seen(&mut links, 2, ADDRESS, 5, MINUTE);
        seen(&mut links, 3, ADDRESS, 5, 2 * HOUR);
        assert!(strength(&links, 1, 2, MINUTE) > 0.249);
        assert!(strength(&links, 2, ADDRESS, MINUTE) > 0.499);
        assert!(strength(&links, 2, 1, 6 * HOUR) < 0.063, "both links fade");
        assert_eq!(strength(&links, 2, 1, 25 * HOUR), 0.0);
        assert_eq!(strength(&links, 3, 2, 2 * HOUR), 0.0, "it came much later");
    }

    #[test]
    fn a_chain_goes_on_over_one_place() {
        let mut links = links();
        for at in 1..=3 {
            seen(&mut links, at, ADDRESS, 5, at as i64 * 4 * MINUTE);
        }
        let now = 12 * MINUTE;
        assert!(strength(&links, 3, 1, now) > 0.06);
        assert!(strength(&links, 3, 1, now) < strength(&links, 3, 2, now));
    }

    #[test]
    fn people_who_take_turns_are_not_linked() {
        let mut links = links();
        seen(&mut links, 1, ADDRESS, 5, 0);
        seen(&mut links, 2, ADDRESS, 5, MINUTE);
        assert!(strength(&links, 1, 2, MINUTE) > 0.0);
        seen(&mut links, 1, ADDRESS, 5, 7 * MINUTE);
        assert_eq!(links.near(1, 7 * MINUTE), []);
        assert_eq!(links.near(ADDRESS, 7 * MINUTE), []);
    }

    #[test]
    fn a_hub_links_nobody_until_its_partners_are_gone() {
        let mut links = links();
        for principal in 1..=21 {
            seen(&mut links, principal, ADDRESS, 5, 0);
        }
        assert_eq!(links.near(1, 0), []);
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
        assert!(links.metrics().bytes < (1 << 20) + 128 * 5 * 112);
        assert!(links.metrics().evicted > 0);
    }
}
