//! The trials of a request: what it adds to features and channels.

use super::judge::{self, NULLS, Norms, WALKS};
use super::person::{BINS, FRESH, LOADED, Person, SEEN, meet};
use super::{
    AGAIN, About, BARE, FAIL, FLAT, JUMP, KNOWN, Known, LOADS_KNOWN, NARROW, NEW, NOBACK, NOPAUSE,
    PACE, PROBE, REREAD, RESTLESS, RHYTHM, Request, UNKNOWN, UNLOADED, flag,
};

/// Refusals, and what is refused that the session had not asked for before; whether the query's shape is new.
pub(super) fn targets(person: &mut Person, r: &Request, known: &Known<'_>, new_path: bool) -> bool {
    let (accepted, votes) = known.endpoint.0[About::Accepted as usize];
    let usual = (votes >= KNOWN && accepted < 0.5 * votes) || r.automatic;
    let new_shape = r.shape != 0 && meet(&mut person.shapes, r.shape);
    let unknown = r.refused && (new_path || new_shape) && !usual;
    if r.refused {
        person.refuse();
    }
    if person.requests < u16::MAX {
        person.requests += 1;
        person.sums[FAIL] += f32::from(u8::from(r.refused));
        person.sums[UNKNOWN] += f32::from(u8::from(unknown));
    }
    if new_path || new_shape {
        walk(person, 0, unknown);
    }
    new_shape
}

/// Queries of one form after another, on a path known to the session; not where those of others vary as much.
pub(super) fn queries(
    person: &mut Person,
    r: &Request,
    known: &Known<'_>,
    (new_path, new_shape): (bool, bool),
) {
    if r.shape == 0 || new_path {
        return;
    }
    if person.voted == r.endpoint || person.queries < 3 {
        if person.voted != r.endpoint {
            (person.voted, person.queries, person.queried) = (r.endpoint, 0, 0);
        }
        if person.queries < u8::MAX {
            person.queries += 1;
            person.queried += u8::from(new_shape);
        }
    }
    let (varied, votes) = known.endpoint.0[About::Queries as usize];
    if votes < KNOWN || varied <= 0.3 * votes {
        walk(person, 1, new_shape);
        person.varied = person.varied.saturating_add(u16::from(new_shape));
    }
}

/// A trial of a floored walk: a harmless beginning dilutes nothing.
fn walk(person: &mut Person, at: usize, hit: bool) {
    let (people, machine) = WALKS[at];
    let gain = if hit {
        (machine / people).ln()
    } else {
        ((1.0 - machine) / (1.0 - people)).ln()
    };
    person.probed[at] = person.probed[at].saturating_add(1);
    person.walks[at] = (f64::from(person.walks[at]) + gain).max(-1.0) as f32;
    let best = &mut person.best[PROBE + at];
    *best = best.max(person.walks[at]);
}

/// A trial, counted already, of a channel whose null is a beta distribution.
fn trial(person: &mut Person, channel: usize, hit: bool, norms: &Norms) {
    person.hits[channel] = person.hits[channel].saturating_add(u16::from(hit));
    let (hits, trials) = (f64::from(person.hits[channel]), asked_of(person, channel));
    let gained = judge::ratio(hits, trials, NULLS[channel].1, norms.nulls[channel]) as f32;
    person.best[channel] = person.best[channel].max(gained);
}

/// Trials of a taught channel: rhythm has one less than restless, for its first wait has none before it.
pub(super) fn asked_of(person: &Person, channel: usize) -> f64 {
    match channel {
        RHYTHM => f64::from(person.asked[0].saturating_sub(1)),
        _ => f64::from(person.asked[channel - 1]),
    }
}

/// A page after an earlier one: how long was waited, and which way was taken.
pub(super) fn page(
    person: &mut Person,
    r: &Request,
    known: &Known<'_>,
    new_path: bool,
    vote: &mut impl FnMut(u64, About, f64),
) {
    let passed = f64::from(person.since - 1) / 1e3;
    let wait = passed.clamp(0.5, 300.0).ln();
    let usual = (6.0 * 12.0_f64.ln() + known.waits.0) / (6.0 + known.waits.1);
    let unloaded = !person.has(LOADED);
    if person.has(FRESH) {
        vote(person.page, About::Wait, wait);
        if person.loads >= 2 {
            vote(person.page, About::Load, flag(unloaded));
        }
    }
    let same = short(r.path) == person.here;
    add(person, PACE, usual - wait);
    add(person, NOPAUSE, -(wait - usual).max(0.0));
    if person.wait != 0.0 && !same {
        add(person, FLAT, -(wait - f64::from(person.wait - 1.0)).abs());
        person.trials[1] = person.trials[1].saturating_add(1);
    }
    bins(person, wait, same);
    if person.trials[0] >= 1 {
        let more = wait - f64::from(person.waits) / f64::from(person.trials[0]);
        add(person, REREAD, if person.has(SEEN) { more } else { -more });
        person.trials[3] = person.trials[3].saturating_add(1);
    }
    person.waits += wait as f32;
    person.wait = (wait + 1.0) as f32;
    loads(person, known, unloaded);
    way(person, r, same, new_path);
    person.trials[0] = person.trials[0].saturating_add(1);
    if !same {
        person.asked[0] = person.asked[0].saturating_add(1);
        if person.usual != 0.0 {
            let steady = (wait - f64::from(person.usual - 1.0)).abs() < 0.2 && passed >= 1.0;
            trial(person, RHYTHM, steady, known.norms);
        }
        let before = f64::from(person.usual - 1.0);
        let mean = if person.usual == 0.0 {
            wait
        } else {
            before + 0.25 * (wait - before)
        };
        person.usual = (mean + 1.0) as f32;
        trial(person, RESTLESS, passed < 10.0, known.norms);
    }
}

fn add(person: &mut Person, feature: usize, value: f64) {
    person.sums[feature] += value as f32;
    let square = match feature {
        PACE..=REREAD => feature,
        BARE => 5,
        _ => return,
    };
    person.squares[square] += (value * value) as f32;
}

/// The share of earlier waits that lie near this one.
fn bins(person: &mut Person, wait: f64, same: bool) {
    let bin = (((wait + 0.7) / 0.2679).max(0.0) as usize).min(BINS - 1);
    let all: f64 = person.bins.iter().map(|&one| f64::from(one)).sum();
    let count = |at: Option<usize>| {
        at.and_then(|at| person.bins.get(at))
            .map_or(0.0, |&one| f64::from(one))
    };
    let near = count(Some(bin)) + 0.5 * (count(bin.checked_sub(1)) + count(Some(bin + 1)));
    if all >= 2.0 && !same {
        add(person, NARROW, near / all);
        person.trials[2] = person.trials[2].saturating_add(1);
    }
    if !same {
        if person.bins[bin] == u8::MAX {
            person.bins.iter_mut().for_each(|one| *one /= 2);
        }
        person.bins[bin] += 1;
    }
}

/// Whether a page was left without its loads, where visitors load some.
fn loads(person: &mut Person, known: &Known<'_>, unloaded: bool) {
    let among = (2.5 + known.loads.0) / (5.0 + known.loads.1);
    let (sum, votes) = known.page.0[About::Load as usize];
    let usual = (3.0 * among + sum) / (3.0 + votes);
    if votes >= KNOWN || known.loads.1 >= LOADS_KNOWN {
        add(person, BARE, flag(unloaded) - usual);
        person.trials[5] = person.trials[5].saturating_add(1);
    }
    if usual < 0.5 && votes >= KNOWN {
        person.asked[1] = person.asked[1].saturating_add(1);
        trial(person, UNLOADED, unloaded, known.norms);
    }
}

/// From which page to which.
fn way(person: &mut Person, r: &Request, same: bool, new_path: bool) {
    let (parent, stem) = (short(r.parent), short(r.stem));
    let near = same
        || parent == person.stem
        || stem == person.parent
        || (parent == person.parent && r.nested);
    person.sums[JUMP] += f32::from(u8::from(!near));
    person.sums[AGAIN] += f32::from(u8::from(same));
    if person.before != 0 {
        person.sums[NOBACK] -= f32::from(u8::from(short(r.path) == person.before && !same));
        person.trials[4] = person.trials[4].saturating_add(1);
    }
    person.sums[NEW] += f32::from(u8::from(new_path));
}

/// The page is the one being looked at from now on.
pub(super) fn arrive(person: &mut Person, r: &Request, (new_path, new_endpoint): (bool, bool)) {
    person.mark(SEEN, !new_path);
    person.mark(FRESH, new_endpoint);
    person.mark(LOADED, false);
    (person.before, person.here) = (person.here, short(r.path));
    (person.parent, person.stem) = (short(r.parent), short(r.stem));
    person.page = r.endpoint;
    person.since = 1;
    person.pages = person.pages.saturating_add(1);
}

/// Half of an id; 0 is none.
fn short(id: u64) -> u32 {
    (id >> 32) as u32 | 1
}
