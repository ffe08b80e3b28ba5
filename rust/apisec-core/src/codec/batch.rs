//! The members that are processed together, and what is to be written on their rows.

use bytes::Bytes;

use super::encode::{Annotation, Annotations, encode};
use super::member::Member;
use super::record::Record;

/// A row that is one half of a call, and where the other one is, which came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The row of this batch.
    pub row: u32,
    /// Whether the row is the gateway's half, or else the application's.
    pub gateway: bool,
    /// Time of the other half, as requests are ordered by, ns.
    pub place: i64,
    /// Span of the other half, of the same trace.
    pub span: [u8; 8],
}

/// Why a row is unusual in what it says: its strongest term, never the value.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// What about it: shape, chars, length, syntax, path, names, missing or doubled.
    pub feature: &'static str,
    /// Of what: parameter, segment, name or header; empty of a path.
    pub place: &'static str,
    /// The name of a parameter or header, as it was sent.
    pub name: String,
    /// A mark, the word for a class of characters, or the family of syntax.
    pub word: String,
    /// The class is missing that is always there.
    pub lacks: bool,
    /// How often it was so,
    pub seen: f64,
    /// of how many.
    pub of: f64,
    /// Length of the value, as the bucket it falls in begins.
    pub length: u32,
    /// Nats of the worst value, of the path, of the names and of doubled ones: what the score is made of.
    pub parts: [f64; 4],
}

/// Members with their annotations. Rows are numbered through over the members.
#[derive(Debug, Default)]
pub struct SpanBatch {
    members: Vec<Member>,
    annotations: Vec<Annotations>,
    /// The number of each member's first row, then the number of all rows.
    starts: Vec<usize>,
    /// Rows that are halves of calls, in order.
    pub pairs: Vec<Pair>,
    /// Why rows are unusual, by row, of those that are.
    pub reasons: Vec<(u32, Reason)>,
}

impl SpanBatch {
    /// A batch of members decoded before.
    pub fn from_members(mut members: Vec<Member>) -> Self {
        let mut starts = Vec::with_capacity(members.len() + 1);
        let mut rows = 0;
        for (index, member) in members.iter_mut().enumerate() {
            starts.push(rows);
            rows += member.rows.len();
            member
                .rows
                .iter_mut()
                .for_each(|record| record.member = index as u32);
        }
        starts.push(rows);
        Self {
            annotations: members.iter().map(|_| Annotations::default()).collect(),
            members,
            starts,
            pairs: Vec::new(),
            reasons: Vec::new(),
        }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or_default()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Spans of any kind.
    pub fn spans(&self) -> usize {
        self.members
            .iter()
            .map(|member| member.spans as usize)
            .sum()
    }

    /// The member that a record came in.
    pub fn member(&self, record: &Record) -> Option<&Member> {
        self.members.get(record.member as usize)
    }

    /// The members, in the order given.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The members themselves.
    pub fn into_members(self) -> Vec<Member> {
        self.members
    }

    /// The members, whose rows' derived fields may be filled in.
    pub fn members_mut(&mut self) -> &mut [Member] {
        &mut self.members
    }

    /// All rows, in order.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.members.iter().flat_map(|member| &member.rows)
    }

    /// All rows, in order, to be filled in.
    pub fn records_mut(&mut self) -> impl Iterator<Item = &mut Record> {
        self.members.iter_mut().flat_map(|member| &mut member.rows)
    }

    /// The member of a row and the row's number in it.
    pub fn locate(&self, row: usize) -> Option<(&Member, usize)> {
        let (member, row) = self.place(row)?;
        Some((self.members.get(member)?, row))
    }

    /// A row's record.
    pub fn record(&self, row: usize) -> Option<&Record> {
        let (member, row) = self.locate(row)?;
        member.rows.get(row)
    }

    /// Adds attributes to a row; a key given before is replaced. False when there is no such row.
    pub fn annotate(
        &mut self,
        row: usize,
        attributes: impl IntoIterator<Item = (String, Annotation)>,
    ) -> bool {
        let Some((member, row)) = self.place(row) else {
            return false;
        };
        let Some(annotations) = self.annotations.get_mut(member) else {
            return false;
        };
        let written = annotations.entry(row as u32).or_default();
        for (key, value) in attributes {
            match written.iter_mut().find(|(known, _)| *known == key) {
                Some(known) => known.1 = value,
                None => written.push((key, value)),
            }
        }
        true
    }

    /// The requests to send on, one a member: the bytes that came where nothing is written.
    pub fn encode(&self) -> Vec<Bytes> {
        self.members
            .iter()
            .zip(&self.annotations)
            .map(|(member, annotations)| encode(member, annotations))
            .collect()
    }

    /// The rows that were annotated, with what was written on them.
    pub fn annotated(&self) -> impl Iterator<Item = (usize, Vec<(String, Annotation)>)> {
        self.annotations
            .iter()
            .zip(&self.starts)
            .flat_map(|(annotations, &start)| {
                annotations
                    .iter()
                    .map(move |(&row, written)| (start + row as usize, written.clone()))
            })
    }

    fn place(&self, row: usize) -> Option<(usize, usize)> {
        if row >= self.len() {
            return None;
        }
        let member = self
            .starts
            .partition_point(|&start| start <= row)
            .checked_sub(1)?;
        Some((member, row - self.starts.get(member)?))
    }
}
