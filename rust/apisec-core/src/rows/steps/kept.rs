//! What is held, in snapshots: a shard with the times, then rows as they stand in their stretches.
//!
//! Texts stay out, for they say who asked: a finding on a row that was restored names them no more.

use std::ops::Bound::{Excluded, Unbounded};

use super::{Bucket, Steps};
use crate::codec::{Member, Record};
use crate::error::Result;
use crate::snapshot::{Keeps, Sink, Source};

const TIMES: u64 = 0;
const ROWS: u64 = 1;
/// The stretch that stands for what came after its time.
const BEHIND: i64 = i64::MIN;

/// The next row to copy: its stretch and its place in it. Rows only join the end of a stretch, or leave all together.
#[derive(Debug)]
pub struct Copying {
    begun: bool,
    stretch: Option<i64>,
    at: usize,
}

impl Keeps for Steps {
    const LAYOUT: u64 = Record::LAYOUT ^ super::STRETCH as u64;
    type Copying = Copying;

    fn start(&self) -> Copying {
        Copying {
            begun: false,
            stretch: Some(BEHIND),
            at: 0,
        }
    }

    fn copy(&self, at: &mut Copying, to: &mut Sink) -> bool {
        if !at.begun {
            at.begun = true;
            to.number(TIMES);
            to.signed(self.released);
            to.signed(self.now);
            to.number(self.next);
            return true;
        }
        to.number(ROWS);
        let empty = to.len();
        while let (Some(stretch), false) = (at.stretch, to.is_full()) {
            let bucket = self.bucket(stretch);
            match bucket.filter(|bucket| at.at < bucket.places()) {
                Some(bucket) => {
                    if let Some((number, row)) = bucket.get(at.at) {
                        to.signed(stretch);
                        to.number(number);
                        row.write(to);
                    }
                    at.at += 1;
                }
                None => {
                    let after = self.held.range((Excluded(stretch), Unbounded)).next();
                    (at.stretch, at.at) = (after.map(|(&stretch, _)| stretch), 0);
                }
            }
        }
        to.len() > empty
    }

    fn load(&mut self, from: &mut Source<'_>) -> Result<()> {
        if from.number()? == TIMES {
            self.released = from.signed()?;
            self.now = from.signed()?;
            self.next = from.number()?;
            return Ok(());
        }
        while !from.is_empty() {
            let stretch = from.signed()?;
            let bucket = if stretch == BEHIND {
                &mut self.behind
            } else {
                self.held.entry(stretch).or_default()
            };
            let before = bucket.cost();
            let (number, row) = (from.number()?, Record::read(from)?);
            bucket.push(number, &row, &Member::empty());
            self.counts.held += 1;
            self.counts.bytes += bucket.cost() - before;
        }
        Ok(())
    }
}

impl Steps {
    fn bucket(&self, stretch: i64) -> Option<&Bucket> {
        if stretch == BEHIND {
            Some(&self.behind)
        } else {
            self.held.get(&stretch)
        }
    }
}
