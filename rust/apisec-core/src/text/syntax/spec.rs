//! The syntax as it crosses from Python: one JSON text, verified.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;

use super::findings::Finding;
use super::tally::{FAMILIES, MOST, Rule};
use super::words::LONGEST_WORD;

/// Why a syntax was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(pub String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl Error {
    /// Says what it is about.
    pub fn about(self, what: impl fmt::Debug) -> Self {
        Self(format!("{what:?}: {self}"))
    }
}

/// All of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Names of families; of equal ones the first is named.
    pub families: Vec<String>,
    pub literals: Vec<LiteralSpec>,
    pub words: WordsSpec,
    pub pairs: Vec<PairSpec>,
    pub rules: BTreeMap<Finding, RuleSpec>,
}

/// A text that is counted once, wherever it stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiteralSpec {
    pub text: String,
    pub family: String,
    pub weight: u32,
    /// Only where no word goes on before it.
    #[serde(default)]
    pub starts: bool,
    /// Only where no word goes on after it.
    #[serde(default)]
    pub ends: bool,
    /// Only in texts with a line break.
    #[serde(default)]
    pub broken: bool,
}

/// Words by what they are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordsSpec {
    pub connective: Vec<String>,
    pub select: Vec<String>,
    pub union: Vec<String>,
    pub from: Vec<String>,
    pub into: Vec<String>,
    pub table: Vec<String>,
    pub verb: Vec<String>,
    pub clause: Vec<String>,
    /// Those of the above that prose is full of: they do not count as words of a query language.
    pub common: Vec<String>,
    /// Verbs that call what follows.
    pub call: Vec<String>,
    pub function_strong: Vec<String>,
    pub function_plain: Vec<String>,
    pub function_weak: Vec<String>,
    /// Weak functions, where the bracket follows at once.
    pub function_attached: Vec<String>,
    pub command_strong: Vec<String>,
    pub command_ambiguous: Vec<String>,
}

/// One of `words`, at most `within` words behind one of `verbs`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairSpec {
    pub verbs: Vec<String>,
    pub words: Vec<String>,
    pub within: u32,
    pub family: String,
    pub weight: u32,
}

/// Points for a family.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    pub family: String,
    pub weight: u32,
}

impl WordsSpec {
    /// The classes of which a word has one at most.
    pub fn classes(&self) -> [&[String]; 8] {
        let Self { table, verb, .. } = self;
        let [connective, select, union] = [&self.connective, &self.select, &self.union];
        let [from, into, clause] = [&self.from, &self.into, &self.clause];
        [connective, select, union, from, into, table, verb, clause].map(Vec::as_slice)
    }

    fn others(&self) -> [&[String]; 8] {
        let [strong, plain] = [&self.function_strong, &self.function_plain];
        let [weak, attached] = [&self.function_weak, &self.function_attached];
        let [command, ambiguous] = [&self.command_strong, &self.command_ambiguous];
        let [common, call] = [&self.common, &self.call];
        [
            strong, plain, weak, attached, command, ambiguous, common, call,
        ]
        .map(Vec::as_slice)
    }
}

impl Spec {
    /// Everything but rules, which are checked where they are taken.
    pub fn check(&self) -> Result<(), Error> {
        self.check_families()?;
        self.check_literals()?;
        self.check_words()?;
        self.check_pairs()
    }

    /// The rule of a family by its name.
    pub fn rule(&self, family: &str, weight: u32) -> Result<Rule, Error> {
        let place = self.families.iter().position(|name| name == family);
        let place = place.ok_or_else(|| Error(format!("{family:?} is no family")))?;
        demand(weight <= MOST, || {
            format!("a weight of {weight}; at most {MOST}")
        })?;
        Ok(Rule {
            family: place as u8,
            weight: weight as u8,
        })
    }

    /// The rules of all findings.
    pub fn rules(&self) -> Result<[Rule; Finding::COUNT], Error> {
        let mut rules = [Rule::default(); Finding::COUNT];
        for (&finding, rule) in Finding::ALL.iter().zip(&mut rules) {
            let given = self.rules.get(&finding);
            let given = given.ok_or_else(|| Error(format!("{finding:?} has no rule")))?;
            let made = self.rule(&given.family, given.weight);
            *rule = made.map_err(|error| error.about(finding))?;
        }
        Ok(rules)
    }

    fn check_families(&self) -> Result<(), Error> {
        let count = self.families.len();
        demand((1..=FAMILIES).contains(&count), || {
            format!("{count} families; from 1 to {FAMILIES}")
        })?;
        once(self.families.iter().map(String::as_str), "family")
    }

    fn check_literals(&self) -> Result<(), Error> {
        let mut met = BTreeSet::new();
        for one in &self.literals {
            let text = &one.text;
            demand(!text.is_empty(), || "an empty literal".to_owned())?;
            demand(*text == text.to_ascii_lowercase(), || {
                format!("literal {text:?} is not in lower case")
            })?;
            demand(met.insert((text, one.starts, one.ends)), || {
                format!("literal {text:?} twice")
            })?;
        }
        Ok(())
    }

    fn check_words(&self) -> Result<(), Error> {
        let every = self.words.classes().into_iter().chain(self.words.others());
        every.flatten().try_for_each(|word| check_word(word))?;
        let classed = self.words.classes().into_iter().flatten();
        once(classed.map(String::as_str), "word")
    }

    fn check_pairs(&self) -> Result<(), Error> {
        let count = self.pairs.len();
        let most = u16::BITS as usize;
        demand(count <= most, || format!("{count} pairs; at most {most}"))?;
        for pair in &self.pairs {
            pair.words.iter().try_for_each(|word| check_word(word))?;
            let other = pair.verbs.iter().find(|v| !self.words.verb.contains(v));
            demand(other.is_none(), || {
                format!("a pair's {:?} is no verb", other.map_or("", |v| v))
            })?;
        }
        Ok(())
    }
}

/// As the pass cuts words: small letters, digits, `_`, no digit first.
fn check_word(word: &str) -> Result<(), Error> {
    let part = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    let starts = word.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    let fits = starts && word.len() <= LONGEST_WORD && word.bytes().all(part);
    demand(fits, || format!("{word:?} is not a word"))
}

fn once<'a>(names: impl Iterator<Item = &'a str>, what: &str) -> Result<(), Error> {
    let mut met = BTreeSet::new();
    for name in names {
        demand(!name.is_empty(), || format!("a {what} without a name"))?;
        demand(met.insert(name), || format!("{what} {name:?} twice"))?;
    }
    Ok(())
}

fn demand(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Error> {
    if holds {
        Ok(())
    } else {
        Err(Error(otherwise()))
    }
}
