//! Item rows: what a request says, a row for each segment of its path, parameter, field of a body, header and cookie.

use std::ops::Range;

use serde::Deserialize;

use super::columns::{Columns, Reading, arrived};
use super::payload::items::{self, Attributes, MOST, Place, Sent};
use crate::codec::{Member, Record, SENDS, SpanBatch};
use crate::hash::{Hasher, mix};
use crate::plan::{Answers, Error, Plan, Rows, Wanted};
use crate::text::classes::{DIGIT, HIGH, LOWER, SPACE, UPPER, UTF8};
use crate::text::{Features, Scratch, Syntax, features};

/// Segments of a path that are items of their own; what lies deeper is one.
const DEPTH: usize = 12;
/// So many items are held at a time, and those of the request that goes beyond.
const HELD: usize = 4_096;
/// A name is told up to so many bytes.
const NAME: usize = 64;

/// What the processor hands over at start.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What is suspicious, as [`Syntax::from_json`] takes it.
    pub syntax: String,
    /// Which attributes say what was sent.
    pub attributes: Attributes,
}

/// Where an item stands, as detectors see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Part {
    Segment = 1,
    Parameter,
    Body,
    Header,
}

impl Part {
    fn of(sent: &Sent<'_>) -> Self {
        match (sent.place, sent.body) {
            (Place::Header, _) => Self::Header,
            (_, true) => Self::Body,
            _ => Self::Parameter,
        }
    }

    /// For people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Parameter => "parameter",
            Self::Body => "field",
            Self::Header => "header",
        }
    }
}

/// An item: what is kept of its text, never the text.
#[derive(Clone, Debug)]
pub struct Item {
    pub(super) part: Part,
    pub(super) name: u64,
    pub(super) value: u64,
    pub(super) length: u32,
    pub(super) features: Features,
    text: Box<[u8]>,
}

impl Item {
    /// An id of its place.
    pub(super) fn place(&self) -> u64 {
        mix(self.part as u64, 1)
    }

    /// An id of the set of its classes of characters.
    pub(super) fn classes(&self) -> u64 {
        mix(self.features.classes | 1 << 63, 2)
    }

    pub(super) fn shape(&self) -> u64 {
        mix(u64::from(self.features.shape) | 1 << 63, 3)
    }

    /// Kinds of punctuation, control characters and encodings in it.
    pub(super) fn marks(&self) -> f64 {
        let plain = LOWER | UPPER | DIGIT | SPACE | HIGH | UTF8;
        f64::from((self.features.classes & !plain).count_ones())
    }
}

/// Takes requests apart.
#[derive(Debug)]
pub struct Splitter {
    hasher: Hasher,
    syntax: Syntax,
    attributes: Attributes,
    scratch: Scratch,
    /// Items that were not looked at, for their request has too many.
    pub cut: u64,
}

/// The items of some requests, as the rows of a plan.
struct Items<'a> {
    rows: Vec<(&'a Record, Item)>,
    numbers: Vec<u32>,
    columns: &'a Columns,
}

/// What a plan answers of items: rows are those of the batch, each signal at most once a row; of values there is one an item.
#[derive(Debug, Default)]
pub struct Said {
    /// The plan's answers.
    pub answers: Answers,
    /// Place and name of the item of each that was raised.
    pub named: Vec<(&'static str, String)>,
    /// The row of each item.
    pub numbers: Vec<u32>,
}

impl Splitter {
    /// Ready to split.
    ///
    /// # Errors
    /// What is wrong with the syntax.
    pub fn new(settings: Settings, hasher: Hasher) -> Result<Self, String> {
        Ok(Self {
            hasher,
            syntax: Syntax::from_json(&settings.syntax).map_err(|error| error.0)?,
            attributes: settings.attributes,
            scratch: Scratch::default(),
            cut: 0,
        })
    }

    /// Runs a plan over the items of a batch's requests that are judged as they come, some at a time.
    ///
    /// # Errors
    /// A wanted node does not exist.
    pub fn run(
        &mut self,
        plan: &mut Plan,
        batch: &SpanBatch,
        columns: &Columns,
        wanted: Wanted<'_>,
    ) -> Result<Said, Error> {
        let mut said = Said::default();
        let mut items = Items {
            rows: Vec::new(),
            numbers: Vec::new(),
            columns,
        };
        said.answers = plan.run(&items, wanted)?;
        for scores in &mut said.answers.scores {
            scores.resize(batch.len(), 0.0);
        }
        if wanted.all {
            said.answers.learning.resize(batch.len(), false);
        }
        for (number, row, member) in arrived(batch) {
            self.split(number as u32, row, member, &mut items);
            if items.len() >= HELD {
                said.take(&items, plan.run(&items, wanted)?);
                items.rows.clear();
                items.numbers.clear();
            }
        }
        said.take(&items, plan.run(&items, wanted)?);
        Ok(said)
    }

    fn split<'a>(&mut self, number: u32, r: &'a Record, member: &Member, to: &mut Items<'a>) {
        let end = to.rows.len() + MOST;
        let path = member.text(r.path_text);
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let segments = path.splitn(DEPTH + 1, |&byte| byte == b'/').enumerate();
        for (at, text) in segments.filter(|(_, text)| !text.is_empty()) {
            let name = (at + 1).to_string();
            let sent = Sent {
                place: Place::Segment,
                name: name.as_bytes(),
                text,
                plus: false,
                body: false,
            };
            self.add(Part::Segment, &sent, (r, number, end), to);
        }
        items::form(member.text(r.query_text), false, &mut |sent| {
            self.add(Part::of(&sent), &sent, (r, number, end), to);
        });
        if r.marks & SENDS != 0 {
            let attributes = std::mem::take(&mut self.attributes);
            items::attributes(&attributes, member, r, &mut |sent| {
                self.add(Part::of(&sent), &sent, (r, number, end), to);
            });
            self.attributes = attributes;
        }
        let agent = member.text(r.agent_text);
        if !agent.is_empty() {
            let sent = Sent {
                place: Place::Header,
                name: b"user-agent",
                text: agent,
                plus: false,
                body: false,
            };
            self.add(Part::Header, &sent, (r, number, end), to);
        }
    }

    fn add<'a>(
        &mut self,
        part: Part,
        sent: &Sent<'_>,
        (r, number, end): (&'a Record, u32, usize),
        to: &mut Items<'a>,
    ) {
        if to.rows.len() == end {
            self.cut += 1;
            return;
        }
        let told = sent.name.get(..NAME).unwrap_or(sent.name);
        let item = Item {
            part,
            name: mix(self.hasher.text(sent.name), part as u64),
            value: self.hasher.text(sent.text),
            length: sent.text.len() as u32,
            features: features(
                sent.text,
                sent.plus,
                sent.body,
                &self.syntax,
                &mut self.scratch,
            ),
            text: told.into(),
        };
        to.rows.push((r, item));
        to.numbers.push(number);
    }
}

impl Said {
    /// Takes up what was answered of some items. Of a signal that several items of a request raise, the least likely is told.
    fn take(&mut self, items: &Items<'_>, answers: Answers) {
        let number = |row: usize| items.numbers.get(row).copied().unwrap_or_default();
        for mut raised in answers.raised {
            let item = raised.row;
            raised.row = number(item) as usize;
            let named = items.rows.get(item).map(|(_, item)| {
                let name = String::from_utf8_lossy(&item.text).into_owned();
                (item.part.word(), name)
            });
            let named = named.unwrap_or_default();
            let told = &mut self.answers.raised;
            let of_row = told.iter().rposition(|one| one.row != raised.row);
            let first = of_row.map_or(0, |at| at + 1);
            let same = |at: &usize| told.get(*at).is_some_and(|one| one.signal == raised.signal);
            match (first..told.len()).find(same) {
                Some(at) => {
                    if let (Some(one), Some(name)) = (told.get_mut(at), self.named.get_mut(at))
                        && raised.p < one.p
                    {
                        (*one, *name) = (raised, named);
                    }
                }
                None => {
                    told.push(raised);
                    self.named.push(named);
                }
            }
        }
        for (best, scores) in self.answers.scores.iter_mut().zip(&answers.scores) {
            for (row, score) in scores.iter().enumerate() {
                if let Some(best) = best.get_mut(number(row) as usize) {
                    *best = best.max(*score);
                }
            }
        }
        for (row, learning) in answers.learning.iter().enumerate() {
            if let Some(known) = self.answers.learning.get_mut(number(row) as usize) {
                *known |= learning;
            }
        }
        for (all, some) in self.answers.values.iter_mut().zip(answers.values) {
            all.append(some);
        }
        self.numbers.extend_from_slice(&items.numbers);
    }
}

impl Rows for Items<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn time(&self, row: usize) -> i64 {
        self.rows.get(row).map_or(0, |(r, _)| r.stream)
    }

    fn late(&self, row: usize) -> bool {
        self.rows.get(row).is_some_and(|(r, _)| r.late == 1)
    }

    fn fill_number(&self, column: usize, rows: Range<usize>, out: &mut [f64]) {
        let rows = self.rows.get(rows).unwrap_or_default();
        for (out, (r, item)) in out.iter_mut().zip(rows) {
            *out = match self.columns.reading(column) {
                Some(Reading::Number(read)) => read(r),
                Some(Reading::OfItem(read)) => read(item),
                Some(Reading::Custom(column)) => r.custom_number(column),
                _ => f64::NAN,
            };
        }
    }

    fn fill_logic(&self, column: usize, rows: Range<usize>, out: &mut [i8]) {
        let rows = self.rows.get(rows).unwrap_or_default();
        for (out, (r, item)) in out.iter_mut().zip(rows) {
            *out = match self.columns.reading(column) {
                Some(Reading::Logic(read)) => read(r),
                Some(Reading::IsPart(part)) => {
                    if item.part == part {
                        1
                    } else {
                        -1
                    }
                }
                Some(Reading::Custom(column)) => r.custom_flag(column),
                _ => 0,
            };
        }
    }

    fn fill_id(&self, column: usize, rows: Range<usize>, out: &mut [u64]) {
        let rows = self.rows.get(rows).unwrap_or_default();
        for (out, (r, item)) in out.iter_mut().zip(rows) {
            *out = match self.columns.reading(column) {
                Some(Reading::Id(read)) => read(r),
                Some(Reading::IdOfItem(read)) => read(item),
                Some(Reading::Custom(column)) => r.custom_id(column),
                _ => 0,
            };
        }
    }
}
