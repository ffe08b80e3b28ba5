//! How much a text reads as syntax of what it is not meant for: points of literals and of a pass over its words.
//!
//! Which literals, words and points comes from outside, as one JSON text (see [`spec`]); the code knows where to look.

mod commands;
mod comparisons;
mod findings;
mod literals;
mod marks;
mod pass;
mod spec;
mod statements;
mod tally;
mod whole;
mod words;

pub use spec::Error;

use super::classes;
use super::decode::{Decoded, Met};
use findings::Finding;
use literals::Literals;
use pass::Pass;
use spec::Spec;
use tally::{Rule, Tally};
use words::Words;

/// Which literals a text has shown, to be used again.
#[derive(Debug, Default)]
pub struct Seen(Vec<u64>);

/// Texts of these alone are one word: the pass finds nothing.
const ONE_WORD: u64 = classes::LOWER | classes::UPPER | classes::DIGIT | classes::mark(b'_');

/// What is suspicious, and how much.
#[derive(Debug)]
pub struct Syntax {
    families: Vec<String>,
    literals: Literals,
    words: Words,
    pairs: Vec<Pair>,
    rules: [Rule; Finding::COUNT],
}

/// A word that says what a verb before it does.
#[derive(Clone, Copy, Debug)]
struct Pair {
    within: u32,
    rule: Rule,
}

impl Syntax {
    /// Reads and verifies what Python hands over; the error names what is wrong.
    pub fn from_json(json: &str) -> Result<Self, Error> {
        let spec: Spec = serde_json::from_str(json).map_err(|error| Error(error.to_string()))?;
        spec.check()?;
        let pair = |pair: &spec::PairSpec| {
            let rule = spec.rule(&pair.family, pair.weight);
            let rule = rule.map_err(|error| error.about(&pair.verbs))?;
            let within = pair.within;
            Ok(Pair { within, rule })
        };
        Ok(Self {
            literals: Literals::new(&spec)?,
            words: Words::new(&spec)?,
            pairs: spec.pairs.iter().map(pair).collect::<Result<_, Error>>()?,
            rules: spec.rules()?,
            families: spec.families,
        })
    }

    /// The name of a family of [`super::Features`].
    pub fn family(&self, place: u8) -> Option<&str> {
        self.families.get(usize::from(place)).map(String::as_str)
    }

    /// The score of a text, 0 to 16, and the place of its family. `body`: line breaks are usual.
    pub fn score(&self, text: &Decoded<'_>, body: bool, seen: &mut Seen) -> (u8, u8) {
        let mut tally = Tally::default();
        let broken = text.met.has(Met::LINE_BREAK);
        self.literals.count(text.folded, broken, seen, &mut tally);
        if text.classes & !ONE_WORD != 0 {
            Pass::new(text.folded, self, &mut tally).run();
        }
        whole::count(text, body, &self.rules, &mut tally);
        tally.verdict()
    }
}
