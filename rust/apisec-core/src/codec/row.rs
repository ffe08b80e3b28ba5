//! The row under construction: for each column the value of the source of lowest rank so far.

use std::ops::Range;

use super::member::text;
use super::reading::{grpc_code, grpc_text, host, number, path, query, url_host, url_scheme};
use super::record::{HTTP, Record, Slice, Text};
use super::token::{claims, cookie, credential};
use super::value::{Scalar, Value, read_value};
use super::vocabulary::{COLUMNS, Column, Number, Reading, Use, Vocabulary};
use super::{keys, tags};
use crate::error::Result;
use crate::hash::Hasher;
use crate::wire::Cursor;

const UNSET: u8 = u8::MAX;

/// A record with the ranks of the sources that its values came from.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub record: Record,
    pub attributes: u32,
    ranks: [u8; COLUMNS],
}

impl Default for Row {
    fn default() -> Self {
        Self {
            record: Record::default(),
            attributes: 0,
            ranks: [UNSET; COLUMNS],
        }
    }
}

/// Where an attribute's value lies, and where texts go that lie nowhere.
pub(crate) struct Source<'a, 'b> {
    pub vocabulary: &'a Vocabulary,
    pub bytes: &'a [u8],
    pub made: &'b mut Vec<u8>,
    /// The KeyValue's body.
    pub body: Slice,
    pub value: &'b Value,
}

impl Row {
    /// Gives an attribute to a column that it feeds.
    #[inline]
    pub fn offer(&mut self, wanted: &Use, source: &mut Source<'_, '_>) {
        let Some(rank) = self.ranks.get_mut(wanted.column.index()) else {
            return;
        };
        if *rank <= wanted.rank {
            return;
        }
        let taken = match wanted.column {
            Column::Text(column) => source
                .read_text(wanted.reading)
                .map(|slice| *self.record.text_mut(column) = slice),
            Column::Number(column) => source
                .read_number(wanted.reading)
                .map(|value| *number_mut(&mut self.record, column) = value),
            Column::Custom(column) => source
                .read_custom(wanted.reading)
                .zip(self.record.custom.get_mut(usize::from(column)))
                .map(|(bits, place)| *place = bits),
            Column::Mark(mark) => source.value.is_set().then(|| self.record.marks |= mark),
        };
        if taken.is_some() {
            *rank = wanted.rank;
        }
    }

    /// Fills what follows from texts and times alone.
    pub fn finish(&mut self, memo: &mut Memo<'_>, made: &[u8], custom_ids: u8) {
        let record = &mut self.record;
        let mut id = |slice: Slice| memo.id(slice, made);
        if custom_ids != 0 {
            for (column, value) in record.custom.iter_mut().enumerate() {
                if custom_ids >> column & 1 == 1 {
                    *value = id(unpacked(*value));
                }
            }
        }
        record.environment = id(record.environment_text);
        record.service = id(record.service_text);
        record.version = id(record.version_text);
        record.method = id(record.method_text);
        record.scheme = id(record.scheme_text);
        record.host = id(record.host_text);
        record.path = id(record.path_text);
        record.query = id(record.query_text);
        record.user_agent = id(record.agent_text);
        record.error_type = id(record.error_text);
        record.role = id(record.role_text);
        if !record.method_text.is_empty() || !record.status.is_nan() {
            record.marks |= HTTP;
        }
        if record.start != 0 && record.end >= record.start {
            record.duration = (record.end - record.start) as f64 / 1e9;
        }
    }

    /// Whether it has more or longer attributes than is analysed.
    pub fn is_over(&self, vocabulary: &Vocabulary) -> bool {
        let limits = vocabulary.limits;
        self.attributes > limits.attributes
            || Text::ALL
                .iter()
                .any(|&column| self.record.text(column).len > limits.text)
    }
}

/// A slice as one word, until the row is finished.
fn packed(slice: Slice) -> u64 {
    u64::from(slice.at) << 32 | u64::from(slice.len)
}

fn unpacked(word: u64) -> Slice {
    Slice {
        at: (word >> 32) as u32,
        len: word as u32,
    }
}

/// A range of a text.
fn part(whole: Slice, range: Range<usize>) -> Slice {
    let at = whole.at as usize;
    Slice::new(at + range.start, at + range.end)
}

fn number_mut(record: &mut Record, column: Number) -> &mut f64 {
    match column {
        Number::Status => &mut record.status,
        Number::RequestSize => &mut record.request_size,
        Number::ResponseSize => &mut record.response_size,
    }
}

impl Source<'_, '_> {
    /// The text that a reading takes, unless it stands for a missing one.
    #[inline]
    fn read_text(&mut self, reading: Reading) -> Option<Slice> {
        let whole = match (reading, *self.value) {
            (Reading::Constant(slice), value) => {
                return value.is_set().then(|| Slice {
                    at: slice.at + self.bytes.len() as u32,
                    ..slice
                });
            }
            (Reading::Cookie(name), value) => return self.cookie(name, value),
            (Reading::Claims(names), value) => return self.claims(names, value),
            (Reading::Joined, Value::List { count: 2.., .. }) => self.joined(),
            (Reading::Last, Value::List { last, .. }) => self.scalar_text(last)?,
            (Reading::First | Reading::Joined | Reading::Credential, Value::List { first, .. }) => {
                self.scalar_text(first)?
            }
            (_, Value::List { .. }) => return None,
            (_, Value::Scalar(scalar)) => self.scalar_text(scalar)?,
        };
        let content = text(self.bytes, self.made, whole);
        if matches!(reading, Reading::Text | Reading::First) {
            return (!self.vocabulary.is_missing(content)).then_some(whole);
        }
        if reading == Reading::Credential {
            let (range, secret) = credential(content);
            return (!self.vocabulary.is_missing(secret)).then(|| part(whole, range));
        }
        let range = match reading {
            Reading::TargetPath | Reading::UrlPath => path(content),
            Reading::TargetQuery | Reading::UrlQuery => query(content),
            Reading::UrlHost => url_host(content),
            Reading::UrlScheme => url_scheme(content),
            Reading::Host => host(content),
            _ => 0..content.len(),
        };
        let slice = part(whole, range.clone());
        let missing = self
            .vocabulary
            .is_missing(content.get(range).unwrap_or_default());
        (!missing).then_some(slice)
    }

    /// The value of a cookie; of several header lines the first that has it.
    #[cold]
    fn cookie(&self, name: Slice, value: Value) -> Option<Slice> {
        let mut lines = Vec::new();
        match value {
            Value::Scalar(Scalar::Text(line)) => lines.push(line),
            Value::Scalar(_) => return None,
            // The body was read before: what fails here cannot.
            Value::List { .. } => {
                let _ = list_texts(Cursor::over(self.bytes, self.body), &mut lines);
            }
        }
        let name = name.of(&self.vocabulary.constants);
        lines
            .into_iter()
            .find_map(|line| cookie(line.of(self.bytes), name).map(|range| part(line, range)))
            .filter(|found| !self.vocabulary.is_missing(found.of(self.bytes)))
    }

    /// Claims of a token, with zero bytes between: the last says who, the others in whose words.
    #[cold]
    fn claims(&mut self, names: Slice, value: Value) -> Option<Slice> {
        let (Value::Scalar(Scalar::Text(text))
        | Value::List {
            first: Scalar::Text(text),
            ..
        }) = value
        else {
            return None;
        };
        if text.len > self.vocabulary.limits.text {
            return None;
        }
        let said = claims(text.of(self.bytes), names.of(&self.vocabulary.constants))?;
        let known = said
            .last()
            .is_some_and(|last| !self.vocabulary.is_missing(last.as_bytes()));
        known.then(|| self.make(said.join("\0").as_bytes()))
    }

    /// A custom column's word: a packed text, a number's bits, or 1 for true and 2 for false.
    #[cold]
    fn read_custom(&mut self, reading: Reading) -> Option<u64> {
        match reading {
            Reading::Number => Some(self.read_number(reading)?.to_bits() ^ f64::NAN.to_bits()),
            Reading::Flag => self.read_flag(),
            _ => self
                .read_text(reading)
                .filter(|slice| slice.len <= self.vocabulary.limits.text)
                .map(packed),
        }
    }

    fn read_flag(&mut self) -> Option<u64> {
        let scalar = match *self.value {
            Value::List { first, .. } => first,
            Value::Scalar(scalar) => scalar,
        };
        let holds = match scalar {
            Scalar::Bool(value) => value,
            Scalar::Int(value @ 0..=1) => value == 1,
            Scalar::Text(slice) => match slice.of(self.bytes) {
                b"true" | b"True" | b"1" => true,
                b"false" | b"False" | b"0" => false,
                _ => return None,
            },
            _ => return None,
        };
        Some(if holds { 1 } else { 2 })
    }

    fn read_number(&mut self, reading: Reading) -> Option<f64> {
        let scalar = match *self.value {
            Value::List { last, .. } if reading == Reading::Last => last,
            Value::List { first, .. } => first,
            Value::Scalar(scalar) => scalar,
        };
        if reading == Reading::GrpcStatus {
            return match scalar {
                Scalar::Int(code) => grpc_code(code),
                Scalar::Double(code) if code.fract() == 0.0 => grpc_code(code as i64),
                Scalar::Text(slice) => grpc_text(slice.of(self.bytes)),
                _ => None,
            };
        }
        match scalar {
            Scalar::Int(value) => Some(value as f64),
            Scalar::Double(value) => value.is_finite().then_some(value),
            Scalar::Text(slice) => number(slice.of(self.bytes)),
            _ => None,
        }
    }

    #[inline]
    fn scalar_text(&mut self, scalar: Scalar) -> Option<Slice> {
        if let Scalar::Text(slice) = scalar {
            Some(slice)
        } else {
            self.made_text(scalar)
        }
    }

    /// Whole numbers and truth values have a text too: user ids are often sent as integers.
    #[cold]
    fn made_text(&mut self, scalar: Scalar) -> Option<Slice> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let number = match scalar {
            Scalar::Bool(value) => return Some(self.make(if value { b"true" } else { b"false" })),
            Scalar::Int(value) => value,
            Scalar::Double(value) if value.fract() == 0.0 && value.abs() < EXACT => value as i64,
            _ => return None,
        };
        Some(self.make(number.to_string().as_bytes()))
    }

    fn make(&mut self, text: &[u8]) -> Slice {
        let at = self.bytes.len() + self.made.len();
        self.made.extend_from_slice(text);
        Slice::new(at, at + text.len())
    }

    /// The texts of a list, joined by `, `; no longer than just over the limit.
    #[cold]
    fn joined(&mut self) -> Slice {
        let mut texts = Vec::new();
        // The body was read before: what fails here cannot.
        let _ = list_texts(Cursor::over(self.bytes, self.body), &mut texts);
        let start = self.made.len();
        let most = start + self.vocabulary.limits.text as usize + 1;
        for slice in texts {
            if self.made.len() >= most {
                break;
            }
            let separator: &[u8] = if self.made.len() > start { b", " } else { b"" };
            self.made.extend_from_slice(separator);
            self.made.extend_from_slice(slice.of(self.bytes));
        }
        self.made.truncate(most);
        Slice::new(self.bytes.len() + start, self.bytes.len() + self.made.len())
    }
}

/// The text elements of the list in a KeyValue body. A value of another kind between two lists forgets the first.
fn list_texts(mut body: Cursor<'_>, texts: &mut Vec<Slice>) -> Result<()> {
    while !body.is_empty() {
        match body.tag()? {
            tags::VALUE => {
                let mut value = body.message()?;
                while !value.is_empty() {
                    match value.tag()? {
                        tags::ARRAY => elements(value.message()?, texts)?,
                        tag => {
                            let known = [
                                tags::STRING,
                                tags::BOOL,
                                tags::INT,
                                tags::DOUBLE,
                                tags::MAP,
                                tags::BYTES,
                                tags::INDEX,
                            ];
                            if known.contains(&tag) {
                                texts.clear();
                            }
                            value.skip(tag, super::DEPTH)?;
                        }
                    }
                }
            }
            tag => body.skip(tag, super::DEPTH)?,
        }
    }
    Ok(())
}

fn elements(mut list: Cursor<'_>, texts: &mut Vec<Slice>) -> Result<()> {
    while !list.is_empty() {
        match list.tag()? {
            tags::VALUES => {
                let mut value = Value::default();
                read_value(&mut list.message()?, super::DEPTH, &mut value)?;
                if let Value::Scalar(Scalar::Text(slice)) = value {
                    texts.push(slice);
                }
            }
            tag => list.skip(tag, super::DEPTH)?,
        }
    }
    Ok(())
}

/// Ids of texts seen shortly before in the same request: methods, hosts and agents repeat.
pub(crate) struct Memo<'a> {
    bytes: &'a [u8],
    hasher: &'a Hasher,
    slots: [(Slice, u64); 64],
}

impl<'a> Memo<'a> {
    pub fn new(bytes: &'a [u8], hasher: &'a Hasher) -> Self {
        Self {
            bytes,
            hasher,
            slots: [(Slice::default(), 0); 64],
        }
    }

    /// The id of a text; 0 when it is empty.
    #[inline]
    fn id(&mut self, slice: Slice, made: &[u8]) -> u64 {
        if slice.is_empty() {
            return 0;
        }
        let content = text(self.bytes, made, slice);
        let Some(slot) = self.slots.get_mut((keys::hash(content) >> 58) as usize) else {
            return self.hasher.text(content);
        };
        if slot.0 != slice && text(self.bytes, made, slot.0) != content {
            *slot = (slice, self.hasher.text(content));
        }
        slot.1
    }
}
