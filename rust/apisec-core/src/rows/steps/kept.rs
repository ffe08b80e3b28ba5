//! What is held, in snapshots: a shard with the times, then rows as they stand in their seconds.
//!
//! Texts stay out, for they say who asked: a finding on a row that was restored names them no more.

use std::ops::Bound::{Excluded, Unbounded};

use super::{Bucket, Steps, keep};
use crate::codec::{Member, Record};
use crate::error::Result;
use crate::snapshot::{Keeps, Sink, Source};

const TIMES: u64 = 0;
const ROWS: u64 = 1;
/// The second that stands for what came after its time.
const BEHIND: i64 = i64::MIN;

/// The next row to copy: its second and its place in it. Rows only join the end of a second, or leave all together.
#[derive(Debug)]
pub struct Copying {
    begun: bool,
    second: Option<i64>,
    at: usize,
}

impl Keeps for Steps {
    const LAYOUT: u64 = Record::LAYOUT;
    type Copying = Copying;

    fn start(&self) -> Copying {
        Copying {
            begun: false,
            second: Some(BEHIND),
            at: 0,
        }
    }

    fn copy(&self, at: &mut Copying, to: &mut Sink) -> bool {
        if !at.begun {
            at.begun = true;
            to.number(TIMES);
            to.signed(self.released);
            to.signed(self.second);
            to.number(self.next);
            return true;
        }
        to.number(ROWS);
        let empty = to.len();
        while let (Some(second), false) = (at.second, to.is_full()) {
            let bucket = self.bucket(second);
            match bucket.filter(|bucket| at.at < bucket.rows.len()) {
                Some(bucket) => {
                    to.signed(second);
                    to.number(bucket.numbers[at.at]);
                    without_texts(bucket.rows[at.at]).write(to);
                    at.at += 1;
                }
                None => {
                    let after = self.held.range((Excluded(second), Unbounded)).next();
                    (at.second, at.at) = (after.map(|(&second, _)| second), 0);
                }
            }
        }
        to.len() > empty
    }

    fn load(&mut self, from: &mut Source<'_>) -> Result<()> {
        if from.number()? == TIMES {
            self.released = from.signed()?;
            self.second = from.signed()?;
            self.next = from.number()?;
            return Ok(());
        }
        while !from.is_empty() {
            let second = from.signed()?;
            let bucket = if second == BEHIND {
                &mut self.behind
            } else {
                self.held.entry(second).or_default()
            };
            let before = bucket.cost();
            let (number, row) = (from.number()?, without_texts(Record::read(from)?));
            bucket.numbers.push(number);
            bucket.rows.push(row);
            self.counts.held += 1;
            self.counts.bytes += bucket.cost() - before;
        }
        Ok(())
    }
}

impl Steps {
    fn bucket(&self, second: i64) -> Option<&Bucket> {
        if second == BEHIND {
            Some(&self.behind)
        } else {
            self.held.get(&second)
        }
    }
}

fn without_texts(mut row: Record) -> Record {
    keep(&mut row, &Member::empty(), &mut Vec::new());
    row
}
