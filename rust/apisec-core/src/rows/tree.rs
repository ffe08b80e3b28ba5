//! A prefix tree of the paths that succeeded: a level of many rare words becomes one variable.
//!
//! Source: the third stage of the templating that `docs/decisions/0007-learned-templates.md` describes.

use super::template::{self, VARIABLE};
use std::collections::{BTreeMap, HashSet};

/// Words that stay literal wherever they stand.
pub type Words = HashSet<Box<str>>;

/// From so many words on a level may collapse; the first level, which names resources, needs more.
const WORDS: usize = 20;
const FIRST_WORDS: usize = 100;
/// So many words a level holds until it collapses at the next tick.
const FULL: usize = 256;
/// What a node costs beside its word, in bytes.
pub const NODE: usize = 120;

/// One level below a prefix.
#[derive(Debug, Default)]
pub struct Tree {
    hits: u64,
    words: BTreeMap<Box<str>, Tree>,
    variable: Option<Box<Tree>>,
    collapsed: bool,
    ends: bool,
}

/// One level as a snapshot has it.
#[derive(Debug, Clone, Copy)]
pub struct Node {
    /// Successes at it and below.
    pub hits: u64,
    /// Its words have become a variable.
    pub collapsed: bool,
    /// A template ends here.
    pub ends: bool,
}

impl Tree {
    /// The segments of a path with variables in their places; None where a level is full.
    pub fn resolve<'a>(
        &self,
        path: impl Iterator<Item = &'a str>,
        literal: &Words,
    ) -> Option<Vec<&'a str>> {
        let mut level = Some(self);
        let mut out = Vec::new();
        for segment in path {
            let is_literal = literal.contains(segment);
            let known = level.and_then(|level| level.words.get(segment));
            let collapsed = level.is_some_and(|level| level.collapsed);
            let is_value = segment == VARIABLE || template::is_value(segment);
            if !is_literal && (is_value || known.is_none() && collapsed) {
                out.push(VARIABLE);
                level = level.and_then(|level| level.variable.as_deref());
                continue;
            }
            if known.is_none() && level.is_some_and(|level| level.words.len() >= FULL) {
                return None;
            }
            out.push(segment);
            level = known;
        }
        Some(out)
    }

    /// Counts a path that succeeded; the bytes that it added.
    pub fn add(&mut self, resolved: &[&str]) -> usize {
        self.hits += 1;
        let Some((first, rest)) = resolved.split_first() else {
            self.ends = true;
            return 0;
        };
        if *first == VARIABLE {
            let fresh = if self.variable.is_none() { NODE } else { 0 };
            return fresh + self.variable.get_or_insert_default().add(rest);
        }
        if let Some(known) = self.words.get_mut(*first) {
            return known.add(rest);
        }
        let fresh = self.words.entry((*first).into()).or_default();
        NODE + first.len() + fresh.add(rest)
    }

    /// Forgets that a template ends at `resolved`; whether nothing is left here.
    pub fn remove(&mut self, resolved: &[&str]) -> bool {
        match resolved.split_first() {
            None => self.ends = false,
            Some((&VARIABLE, rest)) => {
                if self
                    .variable
                    .as_mut()
                    .is_some_and(|below| below.remove(rest))
                {
                    self.variable = None;
                }
            }
            Some((first, rest)) => {
                if self
                    .words
                    .get_mut(*first)
                    .is_some_and(|below| below.remove(rest))
                {
                    self.words.remove(*first);
                }
            }
        }
        !self.ends && !self.collapsed && self.words.is_empty() && self.variable.is_none()
    }

    /// Collapses every level that is ripe, from the top; whether any was.
    pub fn collapse(&mut self, literal: &Words) -> bool {
        self.level(literal, FIRST_WORDS)
    }

    fn level(&mut self, literal: &Words, least: usize) -> bool {
        let mut changed = self.is_ripe(literal, least);
        if changed {
            self.merge_rare(literal);
        }
        for below in self.words.values_mut().chain(self.variable.as_deref_mut()) {
            changed |= below.level(literal, WORDS);
        }
        changed
    }

    /// Rare: at most three hits, or 2 % of the level's.
    fn is_rare(&self, hits: u64) -> bool {
        hits <= (self.hits / 50).max(3)
    }

    fn is_ripe(&self, literal: &Words, least: usize) -> bool {
        let (mut all, mut rare) = (0, 0);
        for (_, below) in self
            .words
            .iter()
            .filter(|(word, _)| !literal.contains(*word))
        {
            all += 1;
            rare += usize::from(self.is_rare(below.hits));
        }
        all >= least && rare * 5 >= all * 4
    }

    fn merge_rare(&mut self, literal: &Words) {
        self.collapsed = true;
        let words = std::mem::take(&mut self.words);
        let (rare, kept) = words
            .into_iter()
            .partition(|(word, below)| !literal.contains(word) && self.is_rare(below.hits));
        self.words = kept;
        let variable = self.variable.get_or_insert_default();
        let rare: BTreeMap<_, _> = rare;
        for below in rare.into_values() {
            variable.merge(below, literal);
        }
    }

    fn merge(&mut self, other: Self, literal: &Words) {
        self.hits += other.hits;
        self.ends |= other.ends;
        self.collapsed |= other.collapsed;
        if let Some(below) = other.variable {
            self.variable.get_or_insert_default().merge(*below, literal);
        }
        for (word, below) in other.words {
            if self.collapsed && !literal.contains(&word) && !self.words.contains_key(&word) {
                self.variable.get_or_insert_default().merge(below, literal);
            } else {
                self.words.entry(word).or_default().merge(below, literal);
            }
        }
    }

    /// Shows `each` the levels behind `after` in a fixed order, each after the one above it, until it has enough; whether it has.
    pub fn walk<'a>(
        &'a self,
        path: &mut Vec<&'a str>,
        after: Option<&[Box<str>]>,
        each: &mut impl FnMut(&[&'a str], Node) -> bool,
    ) -> bool {
        if after.is_none() && each(path, self.node()) {
            return true;
        }
        let after = after.and_then(<[_]>::split_first);
        let first = after.map(|(first, _)| first);
        let words = match first {
            Some(first) if &**first == VARIABLE => None,
            Some(first) => Some(self.words.range(first.clone()..)),
            None => Some(self.words.range::<str, _>(..)),
        };
        let words = words
            .into_iter()
            .flatten()
            .map(|(word, below)| (&**word, below));
        for (word, below) in words.chain(self.variable.as_deref().map(|below| (VARIABLE, below))) {
            let rest = after.filter(|(first, _)| &***first == word);
            path.push(word);
            let enough = below.walk(path, rest.map(|(_, rest)| rest), each);
            path.pop();
            if enough {
                return true;
            }
        }
        false
    }

    fn node(&self) -> Node {
        Node {
            hits: self.hits,
            collapsed: self.collapsed,
            ends: self.ends,
        }
    }

    /// Makes a level as `walk` showed it; the bytes that were added.
    pub fn put(&mut self, path: &[&str], node: Node) -> usize {
        let Some((first, rest)) = path.split_first() else {
            self.hits = self.hits.max(node.hits);
            self.collapsed |= node.collapsed;
            self.ends |= node.ends;
            return 0;
        };
        if *first == VARIABLE {
            let fresh = if self.variable.is_none() { NODE } else { 0 };
            let below = self.variable.get_or_insert_default();
            return fresh + below.put(rest, node);
        }
        if let Some(known) = self.words.get_mut(*first) {
            return known.put(rest, node);
        }
        let fresh = self.words.entry((*first).into()).or_default();
        NODE + first.len() + fresh.put(rest, node)
    }

    /// Bytes held, all levels below counted.
    pub fn bytes(&self) -> usize {
        let words = self
            .words
            .iter()
            .map(|(word, below)| word.len() + below.bytes());
        let variable = self.variable.as_ref().map_or(0, |below| below.bytes());
        NODE + words.sum::<usize>() + variable
    }
}
