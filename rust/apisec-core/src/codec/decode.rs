//! Request bytes to a [`Member`]: one pass over every field of every span.

use bytes::Bytes;

use super::identity::Unchanging;
use super::member::{Member, Secret};
use super::record::{RESERVED, Record, SENDS, Slice};
use super::row::{Memo, Row, Source};
use super::secrets::{Secrecy, find_queries, find_whole, in_query};
use super::tags;
use super::value::{
    Scalar, Value, is_plain_int, plain, plain_text, read_key_value, read_value, simple_key,
};
use super::vocabulary::{Entry, Place, Vocabulary};
use crate::error::{Error, Result, What};
use crate::hash::Hasher;
use crate::wire::{Cursor, deeper};

/// Decodes a request of at most `max_spans` spans. Never panics; time and memory are linear in its size.
pub fn decode(
    bytes: Bytes,
    vocabulary: &Vocabulary,
    hasher: &Hasher,
    max_spans: u32,
) -> Result<Member> {
    if bytes.len() > i32::MAX as usize {
        return Err(Error::new(0, What::Size(bytes.len())));
    }
    let mut decoder = Decoder {
        bytes: &bytes,
        vocabulary,
        hasher,
        memo: Memo::new(&bytes, hasher),
        max_spans,
        spans: 0,
        over_limits: 0,
        rows: Vec::with_capacity((bytes.len() / 1500 + 4).min(16384)),
        sampled: Vec::new(),
        secrets: Vec::new(),
        made: vocabulary.constants.clone(),
    };
    decoder.request(Cursor::new(&bytes))?;
    let Decoder {
        spans,
        over_limits,
        rows,
        sampled,
        mut secrets,
        made,
        ..
    } = decoder;
    if !secrets.is_sorted_by_key(|secret| secret.at) {
        secrets.sort_unstable_by_key(|secret| secret.at);
    }
    Ok(Member {
        spans,
        over_limits,
        rows,
        sampled,
        secrets,
        made,
        secret_names: vocabulary.secret_names.clone(),
        bytes,
    })
}

struct Decoder<'a> {
    bytes: &'a [u8],
    vocabulary: &'a Vocabulary,
    hasher: &'a Hasher,
    memo: Memo<'a>,
    max_spans: u32,
    spans: u32,
    over_limits: u32,
    rows: Vec<Record>,
    sampled: Vec<u64>,
    secrets: Vec<Secret>,
    made: Vec<u8>,
}

/// The fields of a span that are not attributes.
#[derive(Default)]
struct Fields {
    own: Unchanging,
    parent_id: Slice,
    name: Slice,
    state: Slice,
    /// The row has been begun from the resource's.
    begun: bool,
    /// Attributes were left unread, as the kind seen so far was not wanted.
    missed: bool,
}

impl<'a> Decoder<'a> {
    fn request(&mut self, mut cursor: Cursor<'a>) -> Result<()> {
        let room = self.vocabulary.limits.depth;
        while !cursor.is_empty() {
            match cursor.tag()? {
                tags::RESOURCE_SPANS => {
                    let prefix = cursor.at();
                    self.resource_spans(prefix, cursor.message()?, deeper(room, cursor.at())?)?;
                }
                tag => cursor.skip(tag, room)?,
            }
        }
        Ok(())
    }

    /// The resource may follow its spans, or come in pieces: it is looked for first.
    fn resource_spans(&mut self, prefix: usize, body: Cursor<'a>, room: u32) -> Result<()> {
        let mut template = Row::default();
        template.record.resource_prefix = prefix as u32;
        let mut cursor = body;
        while !cursor.is_empty() {
            match cursor.tag()? {
                tags::RESOURCE => {
                    let resource = cursor.message()?;
                    self.attributes(
                        resource,
                        tags::RESOURCE_ATTRIBUTES,
                        deeper(room, resource.at())?,
                        Place::Resource,
                        &mut template,
                    )?;
                }
                tag => cursor.skip(tag, room)?,
            }
        }
        let mut cursor = body;
        while !cursor.is_empty() {
            match cursor.tag()? {
                tags::SCOPE_SPANS => {
                    template.record.scope_prefix = cursor.at() as u32;
                    self.scope_spans(cursor.message()?, deeper(room, cursor.at())?, &template)?;
                }
                tag => cursor.skip(tag, room)?,
            }
        }
        Ok(())
    }

    fn scope_spans(&mut self, mut cursor: Cursor<'a>, room: u32, template: &Row) -> Result<()> {
        let mut row = Row::default();
        let mut scope = Slice::default();
        let first = self.rows.len();
        while !cursor.is_empty() {
            match cursor.tag()? {
                tags::SPANS => {
                    let prefix = cursor.at();
                    self.span(
                        prefix,
                        cursor.message()?,
                        deeper(room, cursor.at())?,
                        template,
                        &mut row,
                    )?;
                }
                tags::SCOPE => {
                    self.scope(cursor.message()?, deeper(room, cursor.at())?, &mut scope)?
                }
                tag => cursor.skip(tag, room)?,
            }
        }
        self.name_scope(first, scope);
        Ok(())
    }

    fn scope(&mut self, mut cursor: Cursor<'a>, room: u32, name: &mut Slice) -> Result<()> {
        while !cursor.is_empty() {
            match cursor.tag()? {
                tags::SCOPE_NAME => *name = cursor.slice()?,
                tags::SCOPE_ATTRIBUTES => self.unfed(
                    cursor.slice()?,
                    deeper(room, cursor.at())?,
                    Place::Elsewhere,
                )?,
                tag => cursor.skip(tag, room)?,
            }
        }
        Ok(())
    }

    /// Known last, as the scope may follow its spans.
    fn name_scope(&mut self, first: usize, scope: Slice) {
        let names_routes = self
            .vocabulary
            .route_scopes
            .iter()
            .any(|name| name == scope.of(self.bytes));
        for record in self.rows.get_mut(first..).unwrap_or_default() {
            record.scope_text = scope;
            if names_routes && record.route_text.is_empty() {
                record.route_text = route_in_name(self.bytes, record.name_text);
            }
        }
    }

    fn span(
        &mut self,
        prefix: usize,
        body: Cursor<'a>,
        room: u32,
        template: &Row,
        row: &mut Row,
    ) -> Result<()> {
        self.spans += 1;
        if self.spans > self.max_spans {
            return Err(Error::new(prefix, What::Spans(self.max_spans)));
        }
        let secrets = self.secrets.len();
        let mut fields = self.walk_span(body, room, false, template, row)?;
        if fields.own.is_sampled(self.bytes) {
            self.sampled
                .push(fields.own.identity(self.bytes, self.hasher));
        }
        if !self.vocabulary.keeps(fields.own.kind) {
            return Ok(());
        }
        if fields.missed {
            self.secrets.truncate(secrets);
            fields = self.walk_span(body, room, true, template, row)?;
        }
        if !fields.begun {
            *row = *template;
        }
        self.keep(prefix, body, &fields, row);
        Ok(())
    }

    fn keep(&mut self, prefix: usize, body: Cursor<'a>, fields: &Fields, row: &mut Row) {
        let record = &mut row.record;
        record.trace_id = id(self.bytes, fields.own.trace_id);
        record.span_id = id(self.bytes, fields.own.span_id);
        record.parent_id = id(self.bytes, fields.parent_id);
        record.start = fields.own.start;
        record.end = fields.own.end;
        record.kind = fields.own.kind;
        record.name_text = fields.name;
        record.state_text = fields.state;
        record.span_prefix = prefix as u32;
        record.at = body.at() as u32;
        record.end_at = body.end() as u32;
        if self.vocabulary.sends_anywhere() {
            record.marks |= SENDS;
        }
        row.finish(&mut self.memo, &self.made, self.vocabulary.custom_ids);
        if row.is_over(self.vocabulary) {
            self.over_limits += 1;
        } else {
            self.rows.push(row.record);
        }
    }

    /// Walks a span's fields. While its kind is not known its attributes are read as if it were wanted.
    fn walk_span(
        &mut self,
        mut cursor: Cursor<'a>,
        room: u32,
        certain: bool,
        template: &Row,
        row: &mut Row,
    ) -> Result<Fields> {
        let mut fields = Fields::default();
        let mut wanted = true;
        while !cursor.is_empty() {
            match cursor.tag()? {
                tags::ATTRIBUTES if wanted => {
                    if !fields.begun {
                        fields.begun = true;
                        *row = *template;
                        row.attributes = 0;
                    }
                    self.run(&mut cursor, |decoder, body| {
                        decoder.attribute(
                            body,
                            deeper(room, body.at as usize)?,
                            Place::Span,
                            Some(row),
                        )
                    })?;
                }
                tags::ATTRIBUTES => {
                    fields.missed = true;
                    self.run(&mut cursor, |decoder, body| {
                        decoder.unfed(body, deeper(room, body.at as usize)?, Place::Span)
                    })?;
                }
                tags::TRACE_ID => fields.own.trace_id = cursor.slice()?,
                tags::SPAN_ID => fields.own.span_id = cursor.slice()?,
                tags::STATE => fields.state = cursor.slice()?,
                tags::PARENT_ID => fields.parent_id = cursor.slice()?,
                tags::NAME => fields.name = cursor.slice()?,
                tags::KIND => {
                    fields.own.kind = cursor.varint()? as i32;
                    wanted = certain || self.vocabulary.keeps(fields.own.kind);
                }
                tags::START => fields.own.start = cursor.bits64()?,
                tags::END => fields.own.end = cursor.bits64()?,
                tags::EVENTS => self.elsewhere(
                    cursor.message()?,
                    tags::EVENT_ATTRIBUTES,
                    deeper(room, cursor.at())?,
                )?,
                tags::LINKS => self.elsewhere(
                    cursor.message()?,
                    tags::LINK_ATTRIBUTES,
                    deeper(room, cursor.at())?,
                )?,
                tags::STATUS => walk(cursor.message()?, deeper(room, cursor.at())?)?,
                tag => cursor.skip(tag, room)?,
            }
        }
        Ok(fields)
    }

    /// Attributes one behind the other, the tag of the first one read: SDKs write them so, and a loop of its own is quick.
    #[inline]
    fn run(
        &mut self,
        cursor: &mut Cursor<'a>,
        mut each: impl FnMut(&mut Self, Slice) -> Result<()>,
    ) -> Result<()> {
        loop {
            each(self, cursor.slice()?)?;
            if !cursor.repeats(tags::ATTRIBUTES) {
                return Ok(());
            }
        }
    }

    /// The attributes of an event or a link: they may hold secrets.
    fn elsewhere(&mut self, mut cursor: Cursor<'a>, wanted: u32, room: u32) -> Result<()> {
        while !cursor.is_empty() {
            match cursor.tag()? {
                tag if tag == wanted => self.unfed(
                    cursor.slice()?,
                    deeper(room, cursor.at())?,
                    Place::Elsewhere,
                )?,
                tag => cursor.skip(tag, room)?,
            }
        }
        Ok(())
    }

    fn attributes(
        &mut self,
        mut cursor: Cursor<'a>,
        wanted: u32,
        room: u32,
        place: Place,
        row: &mut Row,
    ) -> Result<()> {
        while !cursor.is_empty() {
            match cursor.tag()? {
                tag if tag == wanted => self.attribute(
                    cursor.slice()?,
                    deeper(room, cursor.at())?,
                    place,
                    Some(row),
                )?,
                tag => cursor.skip(tag, room)?,
            }
        }
        Ok(())
    }

    /// One attribute where no column is fed: only secrets matter, and most keys tell that there is none.
    #[inline]
    fn unfed(&mut self, body: Slice, room: u32, place: Place) -> Result<()> {
        match simple_key(body.of(self.bytes)) {
            Some(key) if self.vocabulary.secret_keys.find(key).is_none() => Ok(()),
            _ => self.attribute(body, room, place, None),
        }
    }

    /// One attribute: framing and depth checked, secrets noted, columns of `row` fed.
    #[inline]
    fn attribute(
        &mut self,
        body: Slice,
        room: u32,
        place: Place,
        row: Option<&mut Row>,
    ) -> Result<()> {
        let Some((key, value)) = plain(self.bytes, body) else {
            return self.odd_attribute(body, room, place, row);
        };
        // Where no column is fed only secrets matter.
        let keys = if row.is_some() {
            &self.vocabulary.keys
        } else {
            &self.vocabulary.secret_keys
        };
        let entry = keys.find(key.of(self.bytes));
        let text = plain_text(self.bytes, value);
        if entry.is_none() && (text.is_some() || is_plain_int(self.bytes, value)) {
            if let Some(row) = row {
                count(self.vocabulary, self.bytes, place, key, row);
            }
            return Ok(());
        }
        let attribute = Attribute {
            body,
            room,
            place,
            key,
        };
        match text {
            Some(text) => self.text_attribute(&attribute, row, text, entry),
            None => self.read_attribute(&attribute, row, value, entry),
        }
    }

    fn text_attribute(
        &mut self,
        attribute: &Attribute,
        row: Option<&mut Row>,
        text: Slice,
        entry: Option<&Entry>,
    ) -> Result<()> {
        if entry.is_some_and(|entry| entry.secrecy == Some(Secrecy::Query)) {
            in_query(self.vocabulary, self.bytes, text, &mut self.secrets);
        } else {
            self.note_secrets(attribute, entry)?;
        }
        self.feed(attribute, row, Value::Scalar(Scalar::Text(text)), entry);
        Ok(())
    }

    fn read_attribute(
        &mut self,
        attribute: &Attribute,
        row: Option<&mut Row>,
        value: Slice,
        entry: Option<&Entry>,
    ) -> Result<()> {
        let mut read = Value::default();
        read_value(
            &mut Cursor::over(self.bytes, value),
            deeper(attribute.room, value.at as usize)?,
            &mut read,
        )?;
        self.note_secrets(attribute, entry)?;
        self.feed(attribute, row, read, entry);
        Ok(())
    }

    /// One whose fields are overlong, in another order, doubled or followed by unknown ones.
    #[cold]
    fn odd_attribute(
        &mut self,
        body: Slice,
        room: u32,
        place: Place,
        row: Option<&mut Row>,
    ) -> Result<()> {
        let (key, value) = read_key_value(&mut Cursor::over(self.bytes, body), room)?;
        let entry = self.vocabulary.keys.find(key.of(self.bytes));
        let attribute = Attribute {
            body,
            room,
            place,
            key,
        };
        self.note_secrets(&attribute, entry)?;
        self.feed(&attribute, row, value, entry);
        Ok(())
    }

    fn note_secrets(&mut self, attribute: &Attribute, entry: Option<&Entry>) -> Result<()> {
        let Some(secrecy) = entry.and_then(|entry| entry.secrecy) else {
            return Ok(());
        };
        let body = Cursor::over(self.bytes, attribute.body);
        match secrecy {
            Secrecy::Whole(key) => {
                find_whole(self.bytes, body, attribute.room, key, &mut self.secrets)
            }
            Secrecy::Query => find_queries(
                self.vocabulary,
                self.bytes,
                body,
                attribute.room,
                &mut self.secrets,
            ),
        }
    }

    #[inline(always)]
    fn feed(
        &mut self,
        attribute: &Attribute,
        row: Option<&mut Row>,
        value: Value,
        entry: Option<&Entry>,
    ) {
        let Some(row) = row else { return };
        count(
            self.vocabulary,
            self.bytes,
            attribute.place,
            attribute.key,
            row,
        );
        let Some(entry) = entry else { return };
        let uses = if attribute.place == Place::Span {
            &entry.on_span
        } else {
            &entry.on_resource
        };
        let mut source = Source {
            vocabulary: self.vocabulary,
            bytes: self.bytes,
            made: &mut self.made,
            body: attribute.body,
            value: &value,
        };
        for wanted in uses {
            row.offer(wanted, &mut source);
        }
    }
}

/// An attribute whose value is being read.
struct Attribute {
    /// The KeyValue's body.
    body: Slice,
    room: u32,
    place: Place,
    key: Slice,
}

/// Counts an attribute of a row, and marks the row if it is one of our own, or says what was sent.
#[inline]
fn count(vocabulary: &Vocabulary, bytes: &[u8], place: Place, key: Slice, row: &mut Row) {
    row.attributes = row.attributes.saturating_add(1);
    let reserved = &vocabulary.reserved;
    let name = key.of(bytes);
    if place == Place::Span
        && !reserved.is_empty()
        && name.first() == reserved.first()
        && name.starts_with(reserved)
    {
        row.record.marks |= RESERVED;
    }
    if place == Place::Span && vocabulary.sends(name) {
        row.record.marks |= SENDS;
    }
}

/// Steps over all fields of a message, for its framing.
fn walk(mut cursor: Cursor<'_>, room: u32) -> Result<()> {
    while !cursor.is_empty() {
        let tag = cursor.tag()?;
        cursor.skip(tag, room)?;
    }
    Ok(())
}

/// An id of the right length; zero otherwise.
fn id<const N: usize>(bytes: &[u8], slice: Slice) -> [u8; N] {
    slice.of(bytes).try_into().unwrap_or([0; N])
}

/// `GET /orders/{id}` to `/orders/{id}`.
fn route_in_name(bytes: &[u8], name: Slice) -> Slice {
    let content = name.of(bytes);
    let method = content
        .iter()
        .take_while(|byte| byte.is_ascii_uppercase())
        .count();
    match content.get(method..) {
        Some([b' ', _, ..]) if method > 0 => Slice::new(name.at as usize + method + 1, name.end()),
        _ => Slice::default(),
    }
}
