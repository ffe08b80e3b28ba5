//! What is learned, in snapshots: the four tables one after the other, the second, and the lessons that wait for the next one.
//!
//! A lesson that was learned since the tables were copied is lost; none is learned twice.

use super::Payload;
use super::lessons::{Lesson, Lessons, Value, added};
use super::paths::Step;
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
        if at.lesson.1 != self.learned || at.lesson.0 >= self.lessons.list.len() {
            return false;
        }
        to.number(5);
        for lesson in self.lessons.list.iter().skip(at.lesson.0) {
            self.lessons.write(lesson, to);
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
                    self.lessons.read(from)?;
                }
                Ok(())
            }
            _ => Err(from.bad("no part of what payloads are")),
        }
    }
}

impl Lessons {
    fn write(&self, lesson: &Lesson, to: &mut Sink) {
        let Lesson {
            odd,
            admitted,
            attack,
            odd_path,
            odd_names,
            doubled,
            ..
        } = *lesson;
        let bits = [odd, admitted, attack, odd_path, odd_names, doubled];
        let bits = bits
            .into_iter()
            .fold(0, |all, bit| all << 1 | u64::from(bit));
        to.words(&[
            lesson.service,
            lesson.endpoint,
            lesson.score.to_bits(),
            bits,
            lesson.set,
        ]);
        let values = self.values.get(lesson.values.clone()).unwrap_or_default();
        to.number(values.len() as u64);
        for (odd, keys, value) in values {
            to.words(keys);
            let rest = [value.length, value.syntax, value.family, u8::from(*odd)];
            let rest = u64::from(u32::from_le_bytes(rest)) << 16 | u64::from(value.shape);
            to.words(&[value.classes, rest]);
        }
        let steps = self.steps.get(lesson.steps.clone()).unwrap_or_default();
        to.number(steps.len() as u64);
        steps
            .iter()
            .for_each(|step| to.words(&[step.node, step.child]));
        let names = self.names.get(lesson.names.clone()).unwrap_or_default();
        to.number(names.len() as u64);
        names.iter().for_each(|&name| to.number(u64::from(name)));
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<()> {
        let (service, endpoint) = (from.number()?, from.number()?);
        let (score, bits) = (f64::from_bits(from.number()?), from.number()?);
        let bit = |at: u32| bits >> at & 1 == 1;
        let set = from.number()?;
        let values = (0..from.count(40)?)
            .map(|_| value(from))
            .collect::<Result<Vec<_>>>()?;
        let steps = from.count(16)?;
        let steps = from.words(2 * steps)?;
        let steps = steps.chunks_exact(2).map(|two| Step {
            node: two[0],
            child: two[1],
        });
        let names = from.number()?;
        let names = from.list(names)?;
        let lesson = Lesson {
            service,
            endpoint,
            score,
            odd: bit(5),
            admitted: bit(4),
            attack: bit(3),
            odd_path: bit(2),
            odd_names: bit(1),
            doubled: bit(0),
            set,
            values: added(&mut self.values, values.into_iter()),
            steps: added(&mut self.steps, steps),
            names: added(&mut self.names, names.into_iter().map(|name| name as u16)),
        };
        self.list.push(lesson);
        Ok(())
    }
}

fn value(from: &mut Source<'_>) -> Result<Value> {
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
