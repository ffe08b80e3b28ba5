//! What is learned, in snapshots: the four tables one after the other, the second, and the lessons that wait for the next one.
//!
//! A lesson that was learned since the tables were copied is lost; none is learned twice.

use super::names::Names;
use super::paths::Step;
use super::{Lesson, Payload};
use crate::error::Result;
use crate::rows::settled::{Copying as Part, Settled};
use crate::snapshot::{Keeps, Sink, Source};
use crate::text::Features;

/// How far a copy has come.
#[derive(Debug)]
pub struct Copying {
    parts: [Part; 4],
    at: usize,
    done: bool,
    /// The next lesson, of those that waited when so many seconds had been learned.
    lesson: (usize, u64),
}

impl Payload {
    fn tables(&self) -> [&Settled; 4] {
        [&self.params, &self.paths, &self.names, &self.tails]
    }
}

impl Keeps for Payload {
    const LAYOUT: u64 = 1;
    type Copying = Copying;

    fn start(&self) -> Copying {
        Copying {
            parts: self.tables().map(Settled::start),
            at: 0,
            done: false,
            lesson: (0, self.learned),
        }
    }

    fn copy(&self, at: &mut Copying, to: &mut Sink) -> bool {
        while let (Some(table), Some(part)) = (self.tables().get(at.at), at.parts.get_mut(at.at)) {
            let mut shard = Sink::default();
            if table.copy(part, &mut shard) {
                to.number(at.at as u64);
                to.append(shard);
                return true;
            }
            at.at += 1;
        }
        if !at.done {
            (at.done, at.lesson.1) = (true, self.learned);
            to.number(4);
            to.signed(self.second);
            return true;
        }
        if at.lesson.1 != self.learned || at.lesson.0 >= self.lessons.len() {
            return false;
        }
        to.number(5);
        for lesson in self.lessons.iter().skip(at.lesson.0) {
            lesson.write(to);
            at.lesson.0 += 1;
            if to.is_full() {
                break;
            }
        }
        true
    }

    fn load(&mut self, from: &mut Source<'_>) -> Result<()> {
        match from.number()? {
            0 => self.params.load(from),
            1 => self.paths.load(from),
            2 => self.names.load(from),
            3 => self.tails.load(from),
            4 => from.signed().map(|second| self.second = second),
            5 => {
                while !from.is_empty() {
                    let lesson = Lesson::read(from)?;
                    self.lessons.push(lesson);
                }
                Ok(())
            }
            _ => Err(from.bad("no part of what payloads are")),
        }
    }
}

impl Lesson {
    fn write(&self, to: &mut Sink) {
        let bits = [
            self.odd,
            self.admitted,
            self.attack,
            self.odd_path,
            self.odd_names,
        ];
        let bits = bits
            .into_iter()
            .fold(0, |all, bit| all << 1 | u64::from(bit));
        to.words(&[self.service, self.endpoint, self.score.to_bits(), bits]);
        to.number(self.items.len() as u64);
        for (odd, keys, value) in &self.items {
            to.words(keys);
            let rest = [value.length, value.syntax, value.family, u8::from(*odd)];
            let rest = u64::from(u32::from_le_bytes(rest)) << 16 | u64::from(value.shape);
            to.words(&[value.classes, rest]);
        }
        to.number(self.steps.len() as u64);
        for step in &self.steps {
            to.words(&[step.node, step.child]);
        }
        self.names.write(to);
    }

    fn read(from: &mut Source<'_>) -> Result<Self> {
        let (service, endpoint) = (from.number()?, from.number()?);
        let (score, bits) = (f64::from_bits(from.number()?), from.number()?);
        let bit = |at: u32| bits >> at & 1 == 1;
        let items = (0..from.count(40)?)
            .map(|_| item(from))
            .collect::<Result<_>>()?;
        let mut steps = Vec::new();
        for _ in 0..from.count(16)? {
            let (node, child) = (from.number()?, from.number()?);
            steps.push(Step { node, child });
        }
        Ok(Self {
            service,
            endpoint,
            score,
            odd: bit(4),
            admitted: bit(3),
            attack: bit(2),
            odd_path: bit(1),
            odd_names: bit(0),
            items,
            steps,
            names: Names::read(from)?,
        })
    }
}

fn item(from: &mut Source<'_>) -> Result<(bool, [u64; 3], Features)> {
    let keys = [from.number()?, from.number()?, from.number()?];
    let (classes, rest) = (from.number()?, from.number()?);
    let [length, syntax, family, odd] = ((rest >> 16) as u32).to_le_bytes();
    let value = Features {
        length: length.min(31),
        classes,
        shape: rest as u16,
        syntax: syntax.min(16),
        family,
    };
    Ok((odd != 0, keys, value))
}
