//! Literals: one walk over the text finds them all, overlapping ones too.

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::dfa::DFA;
use aho_corasick::{Anchored, MatchKind, PatternID, StartKind};

use super::Seen;
use super::pass::is_word;
use super::spec::{Error, LiteralSpec, Spec};
use super::tally::{Rule, Tally};

/// Every literal, with where it counts.
#[derive(Debug)]
pub struct Literals {
    walk: DFA,
    start: StateID,
    each: Vec<Literal>,
}

#[derive(Debug)]
struct Literal {
    length: usize,
    rule: Rule,
    starts: bool,
    ends: bool,
    broken: bool,
}

/// What was read when a literal ended, what follows, and whether the text has a line break.
struct Place<'a> {
    read: &'a [u8],
    rest: &'a [u8],
    broken: bool,
}

impl Literals {
    pub fn new(spec: &Spec) -> Result<Self, Error> {
        let texts = spec.literals.iter().map(|one| one.text.as_bytes());
        let walk = DFA::builder()
            .match_kind(MatchKind::Standard)
            .start_kind(StartKind::Unanchored)
            .prefilter(false)
            .build(texts)
            .map_err(|error| Error(error.to_string()))?;
        let start = walk
            .start_state(Anchored::No)
            .map_err(|error| Error(error.to_string()))?;
        let each = spec.literals.iter().map(|one| Literal::new(one, spec));
        let each = each.collect::<Result<_, _>>()?;
        Ok(Self { walk, start, each })
    }

    /// Adds the points of the literals in a text, each once. `broken`: the text has a line break.
    pub fn count(&self, text: &[u8], broken: bool, seen: &mut Seen, tally: &mut Tally) {
        seen.0.clear();
        seen.0.resize(self.each.len().div_ceil(64), 0);
        let mut state = self.start;
        for (at, &byte) in text.iter().enumerate() {
            state = self.walk.next_state(Anchored::No, state, byte);
            if self.walk.is_match(state) {
                let (read, rest) = text.split_at(at + 1);
                let place = Place { read, rest, broken };
                self.ending(state, &place, seen, tally);
            }
        }
    }

    /// The literals that end here. Out of line: the walk above stays in registers.
    #[inline(never)]
    fn ending(&self, state: StateID, place: &Place<'_>, seen: &mut Seen, tally: &mut Tally) {
        for index in 0..self.walk.match_len(state) {
            let id = self.walk.match_pattern(state, index);
            let literal = &self.each[id];
            if literal.fits(place) && seen.first(id) {
                tally.add(literal.rule);
            }
        }
    }
}

impl Literal {
    fn new(one: &LiteralSpec, spec: &Spec) -> Result<Self, Error> {
        let rule = spec.rule(&one.family, one.weight);
        Ok(Self {
            length: one.text.len(),
            rule: rule.map_err(|error| error.about(&one.text))?,
            starts: one.starts,
            ends: one.ends,
            broken: one.broken,
        })
    }

    /// Whether no word goes on where none may, and the text has a line break where one is wanted.
    fn fits(&self, place: &Place<'_>) -> bool {
        let before = &place.read[..place.read.len().saturating_sub(self.length)];
        let goes_on = |byte: Option<&u8>| byte.is_some_and(|&byte| is_word(byte));
        let starts = !self.starts || !goes_on(before.last());
        let ends = !self.ends || !goes_on(place.rest.first());
        starts && ends && (!self.broken || place.broken)
    }
}

impl Seen {
    /// Whether it is the first time.
    fn first(&mut self, id: PatternID) -> bool {
        let (word, bit) = (&mut self.0[id.as_usize() / 64], 1 << (id.as_usize() % 64));
        let first = *word & bit == 0;
        *word |= bit;
        first
    }
}
