//! A member's bytes with annotations spliced in and secrets overwritten; everything else is copied as it came.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::member::{Member, Secret};
use super::record::{Record, Slice};
use super::tags;
use crate::error::Result;
use crate::wire::{Cursor, put_bytes, put_length, put_padded, put_varint, varint_width};

/// The value of an attribute written on a span.
#[derive(Clone, Debug, PartialEq)]
pub enum Annotation {
    /// A string.
    Text(String),
    /// A double.
    Double(f64),
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An array of strings.
    List(Vec<String>),
}

/// What is written on the rows of one member, by the row's number in it.
pub type Annotations = BTreeMap<u32, Vec<(String, Annotation)>>;

/// The request to send on. Without annotations and secrets the very bytes that came, not copied.
pub fn encode(member: &Member, annotations: &Annotations) -> Bytes {
    let mut splice = Splice::default();
    for (&row, attributes) in annotations {
        if let Some(record) = member.rows.get(row as usize)
            && !attributes.is_empty()
        {
            splice.annotate(&member.bytes, record, attributes);
        }
    }
    splice.close(&member.bytes);
    if splice.patches.is_empty() {
        return member.forward();
    }
    splice.apply(&member.bytes, &member.secrets)
}

/// One stretch of the request, replaced by a stretch of `Splice::written`.
struct Patch {
    at: usize,
    end: usize,
    written: std::ops::Range<usize>,
}

/// A message around changed spans, still open: its length prefix is patched when it closes.
struct Ancestor {
    prefix: u32,
    patch: usize,
    grown: i64,
}

#[derive(Default)]
struct Splice {
    patches: Vec<Patch>,
    written: Vec<u8>,
    scope: Option<Ancestor>,
    resource: Option<Ancestor>,
}

impl Splice {
    /// Rows come in the order of the request, so the patches do too.
    fn annotate(&mut self, bytes: &[u8], record: &Record, attributes: &[(String, Annotation)]) {
        self.open(bytes, record);
        let prefix = self.reserve(record.span_prefix as usize);
        let mut grown = 0i64;
        for old in replaced(bytes, record, attributes) {
            grown -= i64::from(old.len);
            self.patches.push(Patch {
                at: old.at as usize,
                end: old.end(),
                written: 0..0,
            });
        }
        let start = self.written.len();
        for (key, value) in attributes {
            put_attribute(&mut self.written, key, value);
        }
        grown += (self.written.len() - start) as i64;
        let end = record.end_at as usize;
        self.patches.push(Patch {
            at: end,
            end,
            written: start..self.written.len(),
        });
        grown += self.patch_length(bytes, prefix, grown);
        if let Some(scope) = &mut self.scope {
            scope.grown += grown;
        }
    }

    /// Opens the row's ScopeSpans and ResourceSpans, unless they are open.
    fn open(&mut self, bytes: &[u8], record: &Record) {
        if self
            .scope
            .as_ref()
            .is_some_and(|scope| scope.prefix != record.scope_prefix)
        {
            self.close_scope(bytes);
        }
        if self
            .resource
            .as_ref()
            .is_some_and(|resource| resource.prefix != record.resource_prefix)
        {
            self.close(bytes);
        }
        if self.resource.is_none() {
            let patch = self.reserve(record.resource_prefix as usize);
            self.resource = Some(Ancestor {
                prefix: record.resource_prefix,
                patch,
                grown: 0,
            });
        }
        if self.scope.is_none() {
            let patch = self.reserve(record.scope_prefix as usize);
            self.scope = Some(Ancestor {
                prefix: record.scope_prefix,
                patch,
                grown: 0,
            });
        }
    }

    fn close_scope(&mut self, bytes: &[u8]) {
        if let Some(scope) = self.scope.take() {
            let grown = scope.grown + self.patch_length(bytes, scope.patch, scope.grown);
            if let Some(resource) = &mut self.resource {
                resource.grown += grown;
            }
        }
    }

    fn close(&mut self, bytes: &[u8]) {
        self.close_scope(bytes);
        if let Some(resource) = self.resource.take() {
            self.patch_length(bytes, resource.patch, resource.grown);
        }
    }

    /// A patch of a length prefix that is filled in later, to keep the patches in order.
    fn reserve(&mut self, at: usize) -> usize {
        self.patches.push(Patch {
            at,
            end: at,
            written: 0..0,
        });
        self.patches.len() - 1
    }

    /// Writes the length of a message that has grown, at least as wide as it was. Answers by how much the prefix grew.
    fn patch_length(&mut self, bytes: &[u8], patch: usize, grown: i64) -> i64 {
        let Some(patch) = self.patches.get_mut(patch) else {
            return 0;
        };
        let rest = Slice::new(patch.at, bytes.len());
        let mut cursor = Cursor::over(bytes, rest);
        // Decoding has read this very length; a failure cannot happen and would leave the prefix alone.
        let Ok(length) = cursor.varint() else {
            return 0;
        };
        let width = cursor.at() - patch.at;
        let length = length.wrapping_add_signed(grown);
        let start = self.written.len();
        put_padded(&mut self.written, length, width);
        patch.end = cursor.at();
        patch.written = start..self.written.len();
        varint_width(length).max(width) as i64 - width as i64
    }

    fn apply(self, bytes: &[u8], secrets: &[Secret]) -> Bytes {
        let mut out = Vec::with_capacity(bytes.len() + self.written.len());
        let mut secrets = secrets.iter().peekable();
        let mut at = 0;
        let last = Patch {
            at: bytes.len(),
            end: bytes.len(),
            written: 0..0,
        };
        for patch in self.patches.iter().chain([&last]) {
            let base = out.len();
            out.extend_from_slice(bytes.get(at..patch.at).unwrap_or_default());
            while let Some(secret) = secrets.next_if(|secret| (secret.at as usize) < patch.at) {
                // One inside what was replaced lies before `at`: it is gone already.
                if let Some(start) = (secret.at as usize).checked_sub(at) {
                    let range = base + start..base + start + secret.len as usize;
                    out.get_mut(range).unwrap_or_default().fill(b'*');
                }
            }
            out.extend_from_slice(self.written.get(patch.written.clone()).unwrap_or_default());
            at = patch.end;
        }
        out.into()
    }
}

/// The attribute fields of a span, tags included, whose keys are written anew.
fn replaced(bytes: &[u8], record: &Record, attributes: &[(String, Annotation)]) -> Vec<Slice> {
    let mut found = Vec::new();
    let mut cursor = Cursor::over(
        bytes,
        Slice::new(record.at as usize, record.end_at as usize),
    );
    let _ = find_replaced(&mut cursor, bytes, attributes, &mut found);
    found
}

fn find_replaced(
    cursor: &mut Cursor<'_>,
    bytes: &[u8],
    attributes: &[(String, Annotation)],
    found: &mut Vec<Slice>,
) -> Result<()> {
    while !cursor.is_empty() {
        let start = cursor.at();
        match cursor.tag()? {
            tags::ATTRIBUTES => {
                let key = key_of(cursor.message()?)?;
                if attributes
                    .iter()
                    .any(|(name, _)| name.as_bytes() == key.of(bytes))
                {
                    found.push(Slice::new(start, cursor.at()));
                }
            }
            tag => cursor.skip(tag, super::DEPTH)?,
        }
    }
    Ok(())
}

fn key_of(mut cursor: Cursor<'_>) -> Result<Slice> {
    let mut key = Slice::default();
    while !cursor.is_empty() {
        match cursor.tag()? {
            tags::KEY => key = cursor.slice()?,
            tag => cursor.skip(tag, super::DEPTH)?,
        }
    }
    Ok(key)
}

fn put_attribute(out: &mut Vec<u8>, key: &str, value: &Annotation) {
    put_varint(out, u64::from(tags::ATTRIBUTES));
    message(out, |out| {
        put_bytes(out, 1, key.as_bytes());
        put_varint(out, u64::from(tags::VALUE));
        message(out, |out| put_value(out, value));
    });
}

fn put_value(out: &mut Vec<u8>, value: &Annotation) {
    match value {
        Annotation::Text(text) => put_bytes(out, 1, text.as_bytes()),
        Annotation::Bool(value) => out.extend_from_slice(&[tags::BOOL as u8, u8::from(*value)]),
        Annotation::Int(value) => {
            out.push(tags::INT as u8);
            put_varint(out, *value as u64);
        }
        Annotation::Double(value) => {
            out.push(tags::DOUBLE as u8);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Annotation::List(texts) => {
            out.push(tags::ARRAY as u8);
            message(out, |out| {
                for text in texts {
                    out.push(tags::VALUES as u8);
                    message(out, |out| put_bytes(out, 1, text.as_bytes()));
                }
            });
        }
    }
}

fn message(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let written: std::result::Result<(), std::convert::Infallible> = put_length(out, |out| {
        write(out);
        Ok(())
    });
    let Ok(()) = written;
}
