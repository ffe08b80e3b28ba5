//! Spellings, names, aliases and learned templates of endpoints, piece by piece. None of the first three goes in any hurry, so
//! their keys are noted first. What follows from a template by the settings (login, probe) is worked out anew.

use std::sync::Arc;

use super::{Endpoints, Route};
use crate::error::Result;
use crate::rows::learned;
use crate::rows::template::Template;
use crate::snapshot::{Keeps, Sink, Source};

const SPELLED: u64 = 0;
const LEARNED: u64 = 1;
const NAMES: u64 = 2;
const ALIASES: u64 = 3;
const UNKNOWN: u64 = 4;

/// How far a copy has come.
#[derive(Debug)]
pub struct Copying {
    unknown: bool,
    spelled: Vec<u64>,
    learned: learned::Copying,
    aliases: Vec<u64>,
    names: Vec<u64>,
}

/// Entries of a shard at most: each is a read or two that may have to wait for memory.
const ENTRIES: usize = 1_024;

fn take(keys: &mut Vec<u64>) -> Vec<u64> {
    keys.split_off(keys.len().saturating_sub(ENTRIES))
}

impl Keeps for Endpoints {
    const LAYOUT: u64 = 4;
    type Copying = Copying;

    fn start(&self) -> Copying {
        Copying {
            unknown: true,
            spelled: self.spelled.keys().copied().collect(),
            learned: self.learned.start(),
            aliases: self.history.iter().rev().copied().collect(),
            names: self.names.keys().copied().collect(),
        }
    }

    fn copy(&self, at: &mut Copying, to: &mut Sink) -> bool {
        if std::mem::take(&mut at.unknown) {
            to.number(UNKNOWN);
            to.signed(self.tick);
            self.unknown.words().for_each(|word| to.number(word));
        } else if !at.names.is_empty() {
            to.number(NAMES);
            for key in take(&mut at.names) {
                to.number(key);
                to.text(self.names.get(&key).map_or("", String::as_str));
            }
        } else if !at.spelled.is_empty() {
            to.number(SPELLED);
            for key in take(&mut at.spelled) {
                to.number(key);
                write(self.spelled.get(&key).and_then(Option::as_deref), to);
            }
        } else if !at.aliases.is_empty() {
            to.number(ALIASES);
            for old in take(&mut at.aliases).into_iter().rev() {
                to.words(&[old, self.aliases.get(&old).copied().unwrap_or_default()]);
            }
        } else {
            to.number(LEARNED);
            return self.learned.copy(&mut at.learned, to);
        }
        true
    }

    fn load(&mut self, from: &mut Source<'_>) -> Result<()> {
        let what = from.number()?;
        if what == LEARNED {
            return self
                .learned
                .load(from, |template| self.spelling.route(template));
        }
        if what == UNKNOWN {
            self.tick = from.signed()?;
            let mut words = Vec::new();
            while !from.is_empty() {
                words.push(from.number()?);
            }
            self.unknown.merge(&words);
            return Ok(());
        }
        while !from.is_empty() {
            let key = from.number()?;
            match what {
                NAMES => {
                    let name = from.text()?.to_owned();
                    // Beside the endpoints those that were merged, and `(unmatched)` of each service and method.
                    if self.names.len() < self.settings.max_endpoints.saturating_mul(3) {
                        self.names.insert(key, name);
                    }
                }
                SPELLED => {
                    let route = read(from)?.map(|template| Arc::new(self.spelling.route(template)));
                    if self.spelled.len() < self.settings.max_endpoints {
                        self.spelled.insert(key, route);
                    }
                }
                ALIASES => {
                    let new = from.number()?;
                    if new != 0
                        && self.names.contains_key(&key)
                        && self.history.len() < self.settings.max_endpoints
                    {
                        self.aliases.insert(key, new);
                        self.history.push_back(key);
                    }
                }
                _ => return Err(from.bad("neither names nor spellings nor templates")),
            }
        }
        Ok(())
    }
}

fn write(route: Option<&Route>, to: &mut Sink) {
    let Some(Route { template, .. }) = route else {
        return to.number(0);
    };
    to.number(1);
    to.text(&template.text);
    to.number(template.object.map_or(0, |object| 1 + object as u64));
    to.words(&[
        template.segments as u64,
        u64::from(template.catch_all),
        u64::from(template.variable),
    ]);
}

fn read(from: &mut Source<'_>) -> Result<Option<Template>> {
    if from.number()? == 0 {
        return Ok(None);
    }
    Ok(Some(Template {
        text: from.text()?.to_owned(),
        object: from
            .number()?
            .checked_sub(1)
            .and_then(|at| usize::try_from(at).ok()),
        segments: from.number()? as usize,
        catch_all: from.number()? != 0,
        variable: from.number()? != 0,
    }))
}
