//! The memory of requests, oldest first, up to the newest that was there when the copy began: what counts requests was
//! copied before, so every row in it is covered.

use super::{Retries, Written};
use crate::codec::Annotation;
use crate::error::Result;
use crate::snapshot::{Sink, Source};

/// Spans of a shard at most.
const SPANS: usize = 1_024;

impl Retries {
    /// The number of the oldest span.
    pub(in crate::rows) fn oldest(&self) -> u64 {
        self.forgotten
    }

    /// The number of the span that comes next.
    pub(in crate::rows) fn newest(&self) -> u64 {
        self.forgotten + self.order.len() as u64
    }

    /// Copies spans from number `next` on, which is moved, and before `end`.
    pub(in crate::rows) fn copy(&self, next: &mut u64, end: u64, to: &mut Sink) {
        let from = next.saturating_sub(self.forgotten) as usize;
        let most = SPANS.min(end.saturating_sub(*next) as usize);
        for &(id, seen) in self.order.iter().skip(from).take(most) {
            *next += 1;
            to.number(id);
            to.number(self.starts.get(&id).copied().unwrap_or_default());
            to.signed(seen);
            write(self.notes.get(&id).map_or(&[], |written| written), to);
            if to.is_full() {
                break;
            }
        }
    }

    /// Takes up the spans of a shard.
    pub(in crate::rows) fn load(&mut self, from: &mut Source<'_>) -> Result<()> {
        while !from.is_empty() {
            let (id, start, seen) = (from.number()?, from.number()?, from.signed()?);
            let written = read(from)?;
            if self.starts.insert(id, start).is_none() {
                self.order.push_back((id, seen));
            }
            if !written.is_empty() {
                self.write(id, written);
            }
        }
        Ok(())
    }
}

fn write(written: &[(String, Annotation)], to: &mut Sink) {
    to.number(written.len() as u64);
    for (key, value) in written {
        to.text(key);
        match value {
            Annotation::Text(text) => {
                to.number(0);
                to.text(text);
            }
            Annotation::Double(value) => to.words(&[1, value.to_bits()]),
            Annotation::Bool(value) => to.words(&[2, u64::from(*value)]),
            Annotation::Int(value) => to.words(&[3, *value as u64]),
            Annotation::List(texts) => {
                to.words(&[4, texts.len() as u64]);
                texts.iter().for_each(|text| to.text(text));
            }
        }
    }
}

fn read(from: &mut Source<'_>) -> Result<Written> {
    let mut written = Vec::new();
    for _ in 0..from.count(24)? {
        let key = from.text()?.to_owned();
        let value = match from.number()? {
            0 => Annotation::Text(from.text()?.to_owned()),
            1 => Annotation::Double(f64::from_bits(from.number()?)),
            2 => Annotation::Bool(from.number()? != 0),
            3 => Annotation::Int(from.signed()?),
            4 => {
                let count = from.count(8)?;
                let texts = (0..count).map(|_| from.text().map(str::to_owned));
                Annotation::List(texts.collect::<Result<_>>()?)
            }
            _ => return Err(from.bad("an annotation of no known kind")),
        };
        written.push((key, value));
    }
    Ok(written.into())
}
