//! Spellings, templates and names of endpoints, piece by piece. None is ever forgotten, so their keys are noted first.
//! What follows from a template by the settings (login, probe) is worked out anew.

use std::sync::Arc;

use super::{Endpoints, Route};
use crate::error::Result;
use crate::rows::template::Template;
use crate::snapshot::{Keeps, Sink, Source};

const SPELLED: u64 = 0;
const LEARNED: u64 = 1;
const NAMES: u64 = 2;

/// How far a copy has come.
#[derive(Debug)]
pub struct Copying {
    spelled: Vec<u64>,
    learned: Vec<u64>,
    names: Vec<u64>,
}

/// Entries of a shard at most: each is a read or two that may have to wait for memory.
const ENTRIES: usize = 1_024;

fn take(keys: &mut Vec<u64>) -> Vec<u64> {
    keys.split_off(keys.len().saturating_sub(ENTRIES))
}

impl Keeps for Endpoints {
    const LAYOUT: u64 = 1;
    type Copying = Copying;

    fn start(&self) -> Copying {
        Copying {
            spelled: self.spelled.keys().copied().collect(),
            learned: self.learned.iter().copied().collect(),
            names: self.names.keys().copied().collect(),
        }
    }

    fn copy(&self, at: &mut Copying, to: &mut Sink) -> bool {
        if !at.names.is_empty() {
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
        } else if !at.learned.is_empty() {
            to.number(LEARNED);
            to.words(&take(&mut at.learned));
        } else {
            return false;
        }
        true
    }

    fn load(&mut self, from: &mut Source<'_>) -> Result<()> {
        let what = from.number()?;
        while !from.is_empty() {
            let key = from.number()?;
            match what {
                NAMES => {
                    let name = from.text()?.to_owned();
                    if self.names.len() < self.settings.max_endpoints {
                        self.names.insert(key, name);
                    }
                }
                SPELLED => {
                    let route = read(from)?.map(|template| Arc::new(self.known(template)));
                    if self.spelled.len() < self.settings.max_endpoints {
                        self.spelled.insert(key, route);
                    }
                }
                LEARNED if self.learned.len() < self.settings.max_endpoints => {
                    self.learned.insert(key);
                }
                LEARNED => {}
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
