//! How a session goes about: pages and what they load, waits between pages, ways from page to page, refusals.
//!
//! Each feature has one side that is machine-like, known beforehand; the population says how far people go. Five channels
//! of evidence are running likelihood ratios. Order matters: rows are those of one session in the order of their time.

pub mod judge;
pub mod person;
pub mod population;

use judge::{NULLS, Norms, WALKS};
use person::{BINS, CHANNELS, FEATURES, FRESH, LOADED, Person, SEEN, TAUGHT, meet};

/// A session that was silent for so long teaches, ns.
pub const SILENCE: i64 = 300_000_000_000;
/// A page is left for good after this long, ms.
const LEFT: u32 = 1_800_000;
/// Votes that say what an endpoint is.
const KNOWN: f64 = 5.0;
/// Votes on a service's loads that say what a page without any means.
const LOADS_KNOWN: f64 = 30.0;

/// Places of the features.
const PACE: usize = 0;
const NOPAUSE: usize = 1;
const FLAT: usize = 2;
const NARROW: usize = 3;
const REREAD: usize = 4;
const JUMP: usize = 5;
const AGAIN: usize = 6;
const NOBACK: usize = 7;
const NEW: usize = 8;
const BARE: usize = 9;
const FAIL: usize = 10;
const UNKNOWN: usize = 11;
/// Channels, the taught ones first.
const RHYTHM: usize = 0;
const RESTLESS: usize = 1;
const UNLOADED: usize = 2;
const PROBE: usize = 3;
const FUZZ: usize = 4;

/// Names of the features, of the channels, and of the ones of either.
pub const FEATURE_NAMES: [&str; FEATURES] = [
    "pace", "nopause", "flat", "narrow", "reread", "jump", "again", "noback", "fresh", "bare",
    "fail", "unknown",
];
/// Names of the channels.
pub const CHANNEL_NAMES: [&str; CHANNELS] = ["rhythm", "restless", "unloaded", "probe", "fuzz"];
/// What can be asked of a session; of features and channels by their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Part {
    Score,
    Evidence,
    Pages,
    Deviation(usize),
    Mean(usize),
    Usual(usize),
    Best(usize),
    Hits(usize),
    Trials(usize),
    Null(usize),
}

impl Part {
    /// By its name, as in `score`, `mean.pace` and `hits.probe`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "score" => return Some(Self::Score),
            "evidence" => return Some(Self::Evidence),
            "pages" => return Some(Self::Pages),
            _ => {}
        }
        let (kind, one) = name.split_once('.')?;
        let feature = FEATURE_NAMES.iter().position(|each| *each == one);
        let channel = CHANNEL_NAMES.iter().position(|each| *each == one);
        match kind {
            "deviation" => feature.map(Self::Deviation),
            "mean" => feature.map(Self::Mean),
            "usual" => feature.map(Self::Usual),
            "best" => channel.map(Self::Best),
            "hits" => channel.map(Self::Hits),
            "trials" => channel.map(Self::Trials),
            "null" => channel.map(Self::Null),
            _ => None,
        }
    }
}

/// A request as this kernel reads it; an id is 0 and a condition false where it is missing.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Request {
    /// Time, ns.
    pub time: i64,
    /// Path, its parent and the path without its extension.
    pub path: u64,
    pub parent: u64,
    pub stem: u64,
    /// The path with the shape of its query; 0 without one.
    pub shape: u64,
    pub endpoint: u64,
    pub among: u64,
    /// Refused: a status from 400 to 499.
    pub refused: bool,
    /// A file that pages load.
    pub asset: bool,
    /// Asked for by clients on their own.
    pub automatic: bool,
    /// The parent lies two levels deep or more.
    pub nested: bool,
    /// Its teacher must not teach.
    pub tainted: bool,
}

/// What is known of an endpoint: sums and numbers of votes on its role, refusals, waits, loads and queries.
#[derive(Clone, Copy, Debug, Default)]
pub struct Endpoint(pub [(f64, f64); 5]);

/// What a vote is about: the place in [`Endpoint`].
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    Role,
    Accepted,
    Wait,
    Load,
    Queries,
}

/// One session's vote on an endpoint; of waits and loads it is one on the population as well.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vote {
    /// The endpoint.
    pub endpoint: u64,
    /// The population.
    pub among: u64,
    /// What it is about.
    pub about: About,
    /// What it says.
    pub value: f32,
}

/// What is known when a request is judged, as of the last whole second.
#[allow(missing_docs)]
pub struct Known<'a> {
    /// Of the request's endpoint.
    pub endpoint: Endpoint,
    /// Of the page's endpoint.
    pub page: Endpoint,
    /// Sum and number of votes on the population's waits and loads.
    pub waits: (f64, f64),
    pub loads: (f64, f64),
    /// The population's norms.
    pub norms: &'a Norms,
}

/// Counts a request; the votes that it casts take effect at the next whole second.
pub fn step(person: &mut Person, r: &Request, known: &Known<'_>, mut cast: impl FnMut(Vote)) {
    let gap = (person.last != 0).then(|| (r.time - (person.last - 1)).max(0));
    let role = role(r, known);
    let new_path = meet(&mut person.paths, r.path);
    let new_endpoint =
        r.endpoint != 0 && meet(std::slice::from_mut(&mut person.endpoints), r.endpoint);
    let mut vote = |endpoint: u64, about: About, value: f64| {
        if endpoint != 0 {
            cast(Vote {
                endpoint,
                among: r.among,
                about,
                value: value as f32,
            });
        }
    };
    if new_endpoint {
        if let Some(gap) = gap {
            vote(r.endpoint, About::Role, flag(gap >= 1_000_000_000));
        }
        if person.refused() < person::REFUSED {
            vote(r.endpoint, About::Accepted, flag(!r.refused));
        }
    }
    let new_shape = targets(person, r, known, new_path);
    queries(person, r, known, (new_path, new_shape));
    if role.0 < 0.5 {
        person.loads = person.loads.saturating_add(1);
    }
    let is_page = role.0 >= 0.5 && gap.is_none_or(|gap| gap >= 1_000_000_000 || role.1 >= KNOWN);
    let passed = gap.map_or(0, |gap| u32::try_from(gap / 1_000_000).unwrap_or(u32::MAX));
    if person.since != 0 {
        person.since = person.since.saturating_add(passed).max(1);
    }
    if is_page {
        if person.since != 0 && person.since - 1 <= LEFT {
            page(person, r, known, new_path, &mut vote);
        }
        arrive(person, r, (new_path, new_endpoint));
    } else {
        person.mark(LOADED, true);
    }
    person.last = r.time.saturating_add(1);
    if person.among == 0 {
        person.among = r.among;
    }
    if r.tainted {
        person.mark(TAUGHT, true);
    }
}

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

/// How likely an endpoint opens something, and votes on it.
fn role(r: &Request, known: &Known<'_>) -> (f64, f64) {
    let prior = if r.asset { 0.15 } else { 0.7 };
    let (sum, votes) = known.endpoint.0[About::Role as usize];
    ((2.0 * prior + sum) / (2.0 + votes), votes)
}

/// Refusals, and what is refused that the session had not asked for before; whether the query's shape is new.
fn targets(person: &mut Person, r: &Request, known: &Known<'_>, new_path: bool) -> bool {
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
fn queries(
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

/// A trial of a channel whose null is a beta distribution.
fn trial(person: &mut Person, channel: usize, hit: bool, norms: &Norms) {
    let asked = channel.saturating_sub(1);
    if channel != RHYTHM {
        person.asked[asked] = person.asked[asked].saturating_add(1);
    }
    person.hits[channel] = person.hits[channel].saturating_add(u16::from(hit));
    let (hits, trials) = (f64::from(person.hits[channel]), asked_of(person, channel));
    let gained = judge::ratio(hits, trials, NULLS[channel].1, norms.nulls[channel]) as f32;
    person.best[channel] = person.best[channel].max(gained);
}

/// Trials of a taught channel: rhythm has one less than restless, for its first wait has none before it.
fn asked_of(person: &Person, channel: usize) -> f64 {
    match channel {
        RHYTHM => f64::from(person.asked[0].saturating_sub(1)),
        _ => f64::from(person.asked[channel - 1]),
    }
}

/// A page after an earlier one: how long was waited, and which way was taken.
fn page(
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
        if person.usual != 0.0 {
            let steady = (wait - f64::from(person.usual - 1.0)).abs() < 0.2 && passed >= 1.0;
            person.asked[0] = person.asked[0].saturating_add(1);
            trial(person, RHYTHM, steady, known.norms);
            person.asked[0] = person.asked[0].saturating_sub(1);
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
fn arrive(person: &mut Person, r: &Request, (new_path, new_endpoint): (bool, bool)) {
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

/// What a session that fell silent teaches: its vote on queries is cast, its features go to the population's words.
pub fn close(person: &mut Person, words: &mut [u64], mut cast: impl FnMut(Vote)) {
    person.mark(TAUGHT, true);
    let browses = person.loads >= 2;
    if person.queries >= 3 && person.best[FUZZ] < 5.0 {
        cast(Vote {
            endpoint: person.voted,
            among: person.among,
            about: About::Queries,
            value: f32::from(person.queried) / f32::from(person.queries),
        });
    }
    for at in (0..FEATURES).filter(|&at| at != BARE || browses) {
        population::teach(words, at, judge::trials(person, at));
    }
    for (channel, ((mean, deviation, ..), _)) in NULLS.into_iter().enumerate() {
        let trials = asked_of(person, channel);
        if channel != UNLOADED || browses {
            let hits = f64::from(person.hits[channel]).min((mean + 2.0 * deviation) * trials);
            population::teach(words, FEATURES + channel, (trials, hits, hits));
        }
    }
}

/// One answer to a request, of the session as of it.
pub fn answer(person: &Person, norms: &Norms, part: Part) -> f64 {
    match part {
        Part::Score => judge::score(person, norms),
        Part::Evidence => judge::evidence(&person.best),
        Part::Pages => f64::from(person.pages),
        Part::Deviation(at) => judge::deviation(person, norms, at),
        Part::Mean(at) => {
            let (number, sum, _) = judge::trials(person, at);
            sum / number
        }
        Part::Usual(at) => norms.features[at].mean,
        Part::Best(at) => f64::from(person.best[at]),
        Part::Hits(PROBE) => f64::from(person.sums[UNKNOWN]),
        Part::Hits(FUZZ) => f64::from(person.varied),
        Part::Hits(at) => f64::from(person.hits[at]),
        Part::Trials(at @ (PROBE | FUZZ)) => f64::from(person.probed[at - PROBE]),
        Part::Trials(at) => asked_of(person, at),
        Part::Null(at @ (PROBE | FUZZ)) => WALKS[at - PROBE].0,
        Part::Null(at) => {
            let (a, b) = norms.nulls[at];
            a / (a + b)
        }
    }
}
