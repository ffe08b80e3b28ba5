//! How a session goes about: pages and what they load, waits between pages, ways from page to page, refusals.
//!
//! Each feature has one side that is machine-like, known beforehand; the population says how far people go. Five channels
//! of evidence are running likelihood ratios. Order matters: rows are those of one session in the order of their time.

pub mod judge;
pub mod person;
pub mod population;
mod trials;

use judge::{NULLS, Norms, WALKS};
use person::{CHANNELS, FEATURES, LOADED, Person, TAUGHT, meet};
use trials::{arrive, asked_of, page, queries, targets};

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

/// Names of the features.
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
