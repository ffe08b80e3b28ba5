//! The rows of a batch as a plan reads them: the requests that are judged, and their columns by name.

use super::parts::{Item, Part};
use crate::codec::{ALONE, CUSTOM, Member, Record, SpanBatch};
use crate::hash;
use crate::plan::{Input, Rows};
use std::ops::Range;

/// How a column is read from a record, or from an item of a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reading {
    Number(fn(&Record) -> f64),
    Logic(fn(&Record) -> i8),
    Id(fn(&Record) -> u64),
    /// A column that configuration names, read as the plan wants it.
    Custom(usize),
    OfItem(fn(&Item) -> f64),
    IdOfItem(fn(&Item) -> u64),
    IsPart(Part),
}

/// The inputs of a plan, found once.
#[derive(Clone, Debug)]
pub struct Columns(Vec<Reading>);

impl Columns {
    /// Fails on the first input that no record has.
    pub fn bind(inputs: &[Input]) -> Result<Self, String> {
        inputs
            .iter()
            .map(|input| {
                custom(input)
                    .or_else(|| reading(&input.name))
                    .or_else(|| of_item(&input.name))
                    .ok_or_else(|| format!("no column {} in a request", input.name))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(super) fn reading(&self, column: usize) -> Option<Reading> {
        self.0.get(column).copied()
    }
}

/// Names the columns and where they stand.
macro_rules! readings {
    ($name:ident; $($kind:ident { $($column:literal $read:expr,)* })*) => {
        match $name { $($($column => Some(Reading::$kind($read)),)*)* _ => None }
    };
}

fn custom(input: &Input) -> Option<Reading> {
    let number: usize = input.name.strip_prefix("custom.")?.parse().ok()?;
    (number < CUSTOM).then_some(Reading::Custom(number))
}

fn reading(name: &str) -> Option<Reading> {
    readings! { name;
        Id {
            "environment" |r| r.environment,
            "service" |r| r.service,
            "version" |r| r.version,
            "method" |r| r.method,
            "scheme" |r| r.scheme,
            "host" |r| r.host,
            "path" |r| r.path,
            "query" |r| r.query,
            "route" |r| r.route,
            "endpoint" |r| r.endpoint,
            "object_id" |r| r.object_id,
            "client" |r| r.client,
            "network" |r| r.network,
            "user_agent" |r| r.user_agent,
            "credential" |r| r.credential,
            "principal" |r| r.principal,
            "session" |r| r.session,
            "actor" |r| if r.principal != 0 { r.principal } else { r.session },
            "role" |r| r.role,
            "error_type" |r| r.error_type,
            "path_parent" |r| r.path_parent,
            "path_stem" |r| r.path_stem,
            "query_shape" |r| r.query_shape,
            "trace_id" |r| pair(&r.trace_id),
            "span_id" |r| id(&r.span_id),
        }
        Number {
            "status" |r| r.status,
            "duration" |r| r.duration,
            "request_size" |r| r.request_size,
            "response_size" |r| r.response_size,
            "object_number" |r| r.object_number,
            "payload_p" |r| r.payload_p,
            "payload_score" |r| r.payload_score,
            "payload_usual" |r| r.payload_usual,
            "time" |r| r.stream as f64 / 1e9,
        }
        Logic {
            "succeeded" |r| r.succeeded,
            "denied" |r| r.denied,
            "not_found" |r| r.not_found,
            "failed" |r| r.failed,
            "login" |r| r.login,
            "login_failed" |r| r.login_failed,
            "authenticated" |r| r.authenticated,
            "probe" |r| r.probe,
            "asset" |r| r.asset,
            "automatic" |r| r.automatic,
            "nested" |r| r.nested,
            "listed" |r| r.listed,
            "always" |_| 1,
        }
    }
}

/// The columns that only items have.
fn of_item(name: &str) -> Option<Reading> {
    Some(match name {
        "place" => Reading::IdOfItem(Item::place),
        "name" => Reading::IdOfItem(|item| item.name),
        "value" => Reading::IdOfItem(|item| item.value),
        "classes" => Reading::IdOfItem(Item::classes),
        "shape" => Reading::IdOfItem(Item::shape),
        "length" => Reading::OfItem(|item| f64::from(item.length)),
        "marks" => Reading::OfItem(Item::marks),
        "syntax" => Reading::OfItem(|item| f64::from(item.features.syntax)),
        "in_path" => Reading::IsPart(Part::Segment),
        "in_query" => Reading::IsPart(Part::Parameter),
        "in_body" => Reading::IsPart(Part::Body),
        "in_header" => Reading::IsPart(Part::Header),
        _ => return None,
    })
}

fn id(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |id, byte| id << 8 | u64::from(*byte))
}

fn pair(bytes: &[u8; 16]) -> u64 {
    hash::mix(id(&bytes[..8]).max(1), id(&bytes[8..]))
}

/// The judged rows of a batch: new requests that are no health checks.
pub struct Judged<'a> {
    rows: Vec<&'a Record>,
    numbers: Vec<u32>,
    columns: &'a Columns,
}

impl<'a> Judged<'a> {
    /// Picks the rows of a batch that are judged as they come.
    pub fn of(batch: &'a SpanBatch, columns: &'a Columns) -> Self {
        Self::from(
            columns,
            arrived(batch).map(|(number, r, _)| (number as u32, r)),
        )
    }

    /// Picks the rows of a batch whether they are judged as they come or later.
    pub fn all(batch: &'a SpanBatch, columns: &'a Columns) -> Self {
        let rows = batch.records().enumerate().filter(|(_, r)| is_judged(r));
        Self::from(columns, rows.map(|(number, r)| (number as u32, r)))
    }

    /// As `of`, and between them, before those rows of the batch, the released ones that were set back until then; they are
    /// numbered on from the batch's last.
    pub fn with(
        batch: &'a SpanBatch,
        (released, before): (&'a SpanBatch, &[u32]),
        columns: &'a Columns,
    ) -> Self {
        let first = batch.len() as u32;
        let late = released.records().zip(before).enumerate();
        let mut late = late
            .filter(|(_, (r, _))| r.marks & ALONE != 0 && is_judged(r))
            .map(|(number, (r, before))| (*before, (first + number as u32, r)))
            .peekable();
        let mut rows = Vec::new();
        for (number, r, _) in arrived(batch) {
            while let Some((_, row)) = late.next_if(|(before, _)| *before as usize <= number) {
                rows.push(row);
            }
            rows.push((number as u32, r));
        }
        rows.extend(late.map(|(_, row)| row));
        Self::from(columns, rows.into_iter())
    }

    fn from(columns: &'a Columns, rows: impl Iterator<Item = (u32, &'a Record)>) -> Self {
        let (numbers, rows) = rows.unzip();
        Self {
            rows,
            numbers,
            columns,
        }
    }

    /// A judged row.
    pub fn record(&self, row: usize) -> &'a Record {
        self.rows[row]
    }

    /// Whether a row's column is missing, or not known.
    pub fn lacks(&self, column: usize, row: usize) -> bool {
        match self.columns.0[column] {
            Reading::Number(read) => read(self.rows[row]).is_nan(),
            Reading::Logic(read) => read(self.rows[row]) == 0,
            Reading::Id(read) => read(self.rows[row]) == 0,
            Reading::Custom(column) => self.rows[row].custom_id(column) == 0,
            Reading::OfItem(_) | Reading::IdOfItem(_) | Reading::IsPart(_) => true,
        }
    }

    /// The number in the batch of each judged row.
    pub fn numbers(&self) -> &[u32] {
        &self.numbers
    }
}

/// Requests that are no health checks.
fn is_judged(r: &Record) -> bool {
    r.is_new_request() && r.probe != 1
}

/// Requests that are judged as they come, with their numbers in the batch.
pub(super) fn arrived(batch: &SpanBatch) -> impl Iterator<Item = (usize, &Record, &Member)> {
    let members = batch.members().iter();
    let rows = members.flat_map(|member| member.rows.iter().map(move |r| (r, member)));
    rows.enumerate()
        .filter(|(_, (r, _))| is_judged(r) && !r.is_set_back())
        .map(|(number, (r, member))| (number, r, member))
}

impl Rows for Judged<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn time(&self, row: usize) -> i64 {
        self.rows[row].stream
    }

    fn late(&self, row: usize) -> bool {
        self.rows[row].late == 1
    }

    fn fill_number(&self, column: usize, rows: Range<usize>, out: &mut [f64]) {
        let out = out.iter_mut().zip(&self.rows[rows]);
        match self.columns.0.get(column) {
            Some(Reading::Number(read)) => out.for_each(|(out, r)| *out = read(r)),
            Some(&Reading::Custom(column)) => {
                out.for_each(|(out, r)| *out = r.custom_number(column))
            }
            _ => {}
        }
    }

    fn fill_logic(&self, column: usize, rows: Range<usize>, out: &mut [i8]) {
        let out = out.iter_mut().zip(&self.rows[rows]);
        match self.columns.0.get(column) {
            Some(Reading::Logic(read)) => out.for_each(|(out, r)| *out = read(r)),
            Some(&Reading::Custom(column)) => out.for_each(|(out, r)| *out = r.custom_flag(column)),
            _ => {}
        }
    }

    fn fill_id(&self, column: usize, rows: Range<usize>, out: &mut [u64]) {
        let out = out.iter_mut().zip(&self.rows[rows]);
        match self.columns.0.get(column) {
            Some(Reading::Id(read)) => out.for_each(|(out, r)| *out = read(r)),
            Some(&Reading::Custom(column)) => out.for_each(|(out, r)| *out = r.custom_id(column)),
            _ => {}
        }
    }
}
