//! Requests joined and cut at span boundaries.

use std::rc::Rc;

use bytes::Bytes;

use super::tags;
use crate::error::{Error, Result, What};
use crate::wire::{Cursor, Slice, put_varint, varint_width};

/// Several requests as one: concatenated requests are one request.
pub fn merge(requests: &[Bytes]) -> Bytes {
    match requests {
        [] => Bytes::new(),
        [one] => one.clone(),
        many => many.concat().into(),
    }
}

/// Cuts a request into parts of at most `max_spans` spans and `max_bytes` bytes, in order, with the number of spans of each.
///
/// Resource, scope, schema URL and unknown fields are repeated where what they cover is cut. A span over the limit goes
/// alone, and what lies under a resource and scope that are themselves over it is not cut: repeating those would multiply
/// a hostile request. Messages without a span are left out. A request within the limits is given back as it is.
pub fn split(request: &Bytes, max_spans: u32, max_bytes: usize) -> Result<Vec<(Bytes, u32)>> {
    if request.len() > i32::MAX as usize {
        return Err(Error::new(0, What::Size(request.len())));
    }
    let plan = Plan::of(request, max_spans.max(1), max_bytes, &[])?;
    let Plan { parts, part, .. } = plan;
    if parts.is_empty() {
        return Ok(vec![(request.clone(), part.spans)]);
    }
    Ok(parts
        .iter()
        .chain([&part])
        .map(|part| (part.write(request), part.spans))
        .collect())
}

/// A request without the spans whose place (in order, over all of it) is true in `left_out`; messages without a span are left out too.
pub fn without(request: &[u8], left_out: &[bool]) -> Result<Bytes> {
    let plan = Plan::of(request, u32::MAX, usize::MAX, left_out)?;
    Ok(plan.part.write(request))
}

/// Stretches of a message that are not fields of the tag `repeated`.
fn others(mut cursor: Cursor<'_>, repeated: u32) -> Result<Vec<Slice>> {
    let mut others: Vec<Slice> = Vec::new();
    while !cursor.is_empty() {
        let start = cursor.at();
        let tag = cursor.tag()?;
        cursor.skip(tag, super::DEPTH)?;
        match others.last_mut() {
            _ if tag == repeated => {}
            Some(last) if last.end() == start => *last = Slice::new(last.at as usize, cursor.at()),
            _ => others.push(Slice::new(start, cursor.at())),
        }
    }
    Ok(others)
}

/// Calls `each` with every field of the tag `repeated`: where it begins, tag included, and its body.
pub(super) fn for_each<'a>(
    mut cursor: Cursor<'a>,
    repeated: u32,
    mut each: impl FnMut(usize, Cursor<'a>) -> Result<()>,
) -> Result<()> {
    while !cursor.is_empty() {
        let start = cursor.at();
        match cursor.tag()? {
            tag if tag == repeated => each(start, cursor.message()?)?,
            tag => cursor.skip(tag, super::DEPTH)?,
        }
    }
    Ok(())
}

/// A message around spans: all of it but its repeated field.
struct Envelope {
    others: Rc<[Slice]>,
    /// With tag and widest length.
    size: usize,
    /// The part in hand has it.
    open: bool,
    /// Some part has it: another one would repeat it.
    seen: bool,
}

impl Envelope {
    fn new(others: Vec<Slice>) -> Self {
        let size = 6 + others.iter().map(|slice| slice.len as usize).sum::<usize>();
        Self {
            others: others.into(),
            size,
            open: false,
            seen: false,
        }
    }
}

struct Group<T> {
    others: Rc<[Slice]>,
    inside: Vec<T>,
}

type Scope = Group<Slice>;
type Resource = Group<Scope>;

#[derive(Default)]
struct Part {
    rest: Vec<Slice>,
    resources: Vec<Resource>,
    spans: u32,
    bytes: usize,
    /// Bytes that no part before has.
    fresh: usize,
}

struct Plan<'a> {
    max_spans: u32,
    max_bytes: usize,
    /// By place; places beyond it are not left out.
    left_out: &'a [bool],
    /// Of the next span.
    place: usize,
    parts: Vec<Part>,
    part: Part,
}

impl<'a> Plan<'a> {
    fn of(request: &[u8], max_spans: u32, max_bytes: usize, left_out: &'a [bool]) -> Result<Self> {
        let mut plan = Self {
            max_spans,
            max_bytes,
            left_out,
            place: 0,
            parts: Vec::new(),
            part: Part::default(),
        };
        plan.part.rest = others(Cursor::new(request), tags::RESOURCE_SPANS)?;
        plan.part.bytes = total(&plan.part.rest);
        for_each(Cursor::new(request), tags::RESOURCE_SPANS, |_, body| {
            plan.resource(body)
        })?;
        Ok(plan)
    }

    /// Whether the next span is left out.
    fn skips(&mut self) -> bool {
        self.place += 1;
        self.left_out.get(self.place - 1).is_some_and(|it| *it)
    }

    fn resource(&mut self, body: Cursor<'_>) -> Result<()> {
        let mut resource = Envelope::new(others(body, tags::SCOPE_SPANS)?);
        for_each(body, tags::SCOPE_SPANS, |_, body| {
            let mut scope = Envelope::new(others(body, tags::SPANS)?);
            for_each(body, tags::SPANS, |start, span| {
                if self.skips() {
                    return Ok(());
                }
                let span = Slice::new(start, span.end());
                self.make_room(&mut resource, &mut scope, span.len as usize);
                self.open(&mut resource, &mut scope);
                self.push(span);
                Ok(())
            })
        })
    }

    /// Ends the part in hand when one span more would not fit.
    fn make_room(&mut self, resource: &mut Envelope, scope: &mut Envelope, span: usize) {
        let sum = |count: fn(&Envelope) -> bool| {
            [&*resource, &*scope]
                .iter()
                .filter(|it| count(it))
                .map(|it| it.size)
                .sum::<usize>()
        };
        let (needed, repeated) = (span + sum(|it| !it.open), sum(|it| it.seen));
        let over_spans = self.part.spans >= self.max_spans;
        let over_bytes = self.part.bytes + needed > self.max_bytes;
        // What is repeated stays below half of what is sent, or a hostile request would be multiplied.
        let worth =
            over_spans || repeated <= self.max_bytes / 2 || self.part.fresh >= self.max_bytes / 2;
        if self.part.resources.is_empty()
            || !(over_spans || over_bytes)
            || repeated > self.max_bytes
            || !worth
        {
            return;
        }
        self.parts.push(std::mem::take(&mut self.part));
        resource.open = false;
        scope.open = false;
    }

    fn open(&mut self, resource: &mut Envelope, scope: &mut Envelope) {
        if self.begin(resource) {
            self.part.resources.push(Group {
                others: resource.others.clone(),
                inside: Vec::new(),
            });
        }
        if self.begin(scope)
            && let Some(group) = self.part.resources.last_mut()
        {
            group.inside.push(Group {
                others: scope.others.clone(),
                inside: Vec::new(),
            });
        }
    }

    fn begin(&mut self, envelope: &mut Envelope) -> bool {
        if envelope.open {
            return false;
        }
        self.part.bytes += envelope.size;
        self.part.fresh += if envelope.seen { 0 } else { envelope.size };
        envelope.open = true;
        envelope.seen = true;
        true
    }

    fn push(&mut self, span: Slice) {
        self.part.spans += 1;
        self.part.bytes += span.len as usize;
        self.part.fresh += span.len as usize;
        if let Some(scope) = self
            .part
            .resources
            .last_mut()
            .and_then(|group| group.inside.last_mut())
        {
            scope.inside.push(span);
        }
    }
}

impl Part {
    fn write(&self, request: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(self.bytes);
        copy(request, &self.rest, &mut out);
        for resource in &self.resources {
            put_message(&mut out, tags::RESOURCE_SPANS, resource.size(), |out| {
                resource.write(request, out)
            });
        }
        out.into()
    }
}

impl Resource {
    fn size(&self) -> usize {
        let scopes = self.inside.iter().map(Scope::size);
        total(&self.others)
            + scopes
                .map(|size| 1 + varint_width(size as u64) + size)
                .sum::<usize>()
    }

    fn write(&self, request: &[u8], out: &mut Vec<u8>) {
        copy(request, &self.others, out);
        for scope in &self.inside {
            put_message(out, tags::SCOPE_SPANS, scope.size(), |out| {
                copy(request, &scope.others, out);
                copy(request, &scope.inside, out);
            });
        }
    }
}

impl Scope {
    fn size(&self) -> usize {
        total(&self.others) + total(&self.inside)
    }
}

fn total(slices: &[Slice]) -> usize {
    slices.iter().map(|slice| slice.len as usize).sum()
}

fn copy(request: &[u8], slices: &[Slice], out: &mut Vec<u8>) {
    slices
        .iter()
        .for_each(|slice| out.extend_from_slice(slice.of(request)));
}

fn put_message(out: &mut Vec<u8>, tag: u32, size: usize, write: impl FnOnce(&mut Vec<u8>)) {
    put_varint(out, u64::from(tag));
    put_varint(out, size as u64);
    write(out);
}
