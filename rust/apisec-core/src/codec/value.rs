//! Attribute values: walked once for framing and depth, folded to what a column can read.

use super::record::Slice;
use super::tags;
use crate::error::Result;
use crate::wire::{Cursor, deeper};

/// A single value. Maps, and lists inside lists, are `Other`: present, but no column reads them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Scalar {
    #[default]
    Missing,
    Text(Slice),
    Bool(bool),
    Int(i64),
    Double(f64),
    Other,
}

/// An `AnyValue`. A field seen again counts as protobuf has it: the last kind wins, two lists in a row are one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    Scalar(Scalar),
    List {
        first: Scalar,
        last: Scalar,
        count: u32,
    },
}

impl Default for Value {
    fn default() -> Self {
        Self::Scalar(Scalar::Missing)
    }
}

impl Value {
    #[inline]
    pub fn is_set(&self) -> bool {
        *self != Self::Scalar(Scalar::Missing)
    }

    fn scalar(self) -> Scalar {
        match self {
            Self::Scalar(scalar) => scalar,
            Self::List { .. } => Scalar::Other,
        }
    }

    fn append(&mut self, scalar: Scalar) {
        if let Self::List { first, last, count } = self {
            if *count == 0 {
                *first = scalar;
            }
            *last = scalar;
            *count = count.saturating_add(1);
        }
    }
}

/// Reads an `AnyValue` into `value`, on top of what an earlier one of the same field left there.
pub(crate) fn read_value(cursor: &mut Cursor<'_>, room: u32, value: &mut Value) -> Result<()> {
    while !cursor.is_empty() {
        let scalar = match cursor.tag()? {
            tags::STRING | tags::BYTES => Scalar::Text(cursor.slice()?),
            tags::INT => Scalar::Int(cursor.varint()? as i64),
            tags::BOOL => Scalar::Bool(cursor.varint()? != 0),
            tags::DOUBLE => Scalar::Double(f64::from_bits(cursor.bits64()?)),
            tags::INDEX => {
                cursor.varint()?;
                Scalar::Other
            }
            tags::ARRAY => {
                read_list(&mut cursor.message()?, deeper(room, cursor.at())?, value)?;
                continue;
            }
            tags::MAP => {
                walk_map(&mut cursor.message()?, deeper(room, cursor.at())?)?;
                Scalar::Other
            }
            tag => {
                cursor.skip(tag, room)?;
                continue;
            }
        };
        *value = Value::Scalar(scalar);
    }
    Ok(())
}

fn read_list(cursor: &mut Cursor<'_>, room: u32, value: &mut Value) -> Result<()> {
    if !matches!(value, Value::List { .. }) {
        *value = Value::List {
            first: Scalar::Missing,
            last: Scalar::Missing,
            count: 0,
        };
    }
    while !cursor.is_empty() {
        match cursor.tag()? {
            tags::VALUES => {
                let mut element = Value::default();
                read_value(
                    &mut cursor.message()?,
                    deeper(room, cursor.at())?,
                    &mut element,
                )?;
                value.append(element.scalar());
            }
            tag => cursor.skip(tag, room)?,
        }
    }
    Ok(())
}

fn walk_map(cursor: &mut Cursor<'_>, room: u32) -> Result<()> {
    while !cursor.is_empty() {
        match cursor.tag()? {
            tags::VALUES => {
                read_key_value(&mut cursor.message()?, deeper(room, cursor.at())?)?;
            }
            tag => cursor.skip(tag, room)?,
        }
    }
    Ok(())
}

/// The key and the value's body of a `KeyValue` written as all SDKs write it: key, value, nothing else.
#[inline]
pub(crate) fn plain(bytes: &[u8], body: Slice) -> Option<(Slice, Slice)> {
    let content = body.of(bytes);
    let (&[tag, key_len], rest) = content.split_first_chunk::<2>()?;
    if u32::from(tag) != tags::KEY || key_len >= 0x80 {
        return None;
    }
    let rest = rest.get(key_len as usize..)?;
    let &[tag, value_len] = rest.first_chunk::<2>()?;
    if u32::from(tag) != tags::VALUE {
        return None;
    }
    let key = Slice {
        at: body.at + 2,
        len: u32::from(key_len),
    };
    if value_len < 0x80 && rest.len() == 2 + value_len as usize {
        return Some((
            key,
            Slice {
                at: key.at + key.len + 2,
                len: u32::from(value_len),
            },
        ));
    }
    let mut cursor = Cursor::over(bytes, Slice::new(key.end() + 1, body.end()));
    let value = cursor.slice().ok()?;
    cursor.is_empty().then_some((key, value))
}

/// The key of a `KeyValue` written as all SDKs write a short text, number or truth value; no more is to be known of it.
#[inline]
pub(crate) fn simple_key(content: &[u8]) -> Option<&[u8]> {
    let (&[tag, key_len], rest) = content.split_first_chunk::<2>()?;
    let (key, value) = rest.split_at_checked(usize::from(key_len))?;
    let (&[value_tag, value_len, kind, first], more) = value.split_first_chunk::<4>()?;
    let framed = u32::from(tag) == tags::KEY
        && u32::from(value_tag) == tags::VALUE
        && (key_len | value_len) < 0x80
        && more.len() + 2 == usize::from(value_len);
    let sound = match u32::from(kind) {
        tags::STRING => first < 0x80 && more.len() == usize::from(first),
        tags::INT | tags::BOOL => match *more {
            [] => first < 0x80,
            [last] => first >= 0x80 && last < 0x80,
            _ => false,
        },
        _ => false,
    };
    (framed && sound).then_some(key)
}

/// The text of an `AnyValue` that is one text and nothing else.
#[inline]
pub(crate) fn plain_text(bytes: &[u8], value: Slice) -> Option<Slice> {
    let (&[tag, len], rest) = value.of(bytes).split_first_chunk::<2>()?;
    let sound = u32::from(tag) == tags::STRING && len < 0x80 && rest.len() == len as usize;
    sound.then_some(Slice {
        at: value.at + 2,
        len: u32::from(len),
    })
}

/// Whether an `AnyValue` is one short integer or truth value and nothing else.
#[inline]
pub(crate) fn is_plain_int(bytes: &[u8], value: Slice) -> bool {
    match *value.of(bytes) {
        [tag, int] => int < 0x80 && matches!(u32::from(tag), tags::INT | tags::BOOL),
        [tag, high, int] => {
            high >= 0x80 && int < 0x80 && matches!(u32::from(tag), tags::INT | tags::BOOL)
        }
        _ => false,
    }
}

/// Reads a `KeyValue`, whichever of its fields comes first.
#[inline]
pub(crate) fn read_key_value(cursor: &mut Cursor<'_>, room: u32) -> Result<(Slice, Value)> {
    let mut key = Slice::default();
    let mut value = Value::default();
    while !cursor.is_empty() {
        match cursor.tag()? {
            tags::KEY => key = cursor.slice()?,
            tags::VALUE => read_value(
                &mut cursor.message()?,
                deeper(room, cursor.at())?,
                &mut value,
            )?,
            tag => cursor.skip(tag, room)?,
        }
    }
    Ok((key, value))
}

/// Calls `visit` with every text and bytes value below an `AnyValue` body already found sound, nested ones too.
pub(crate) fn visit_texts(
    cursor: &mut Cursor<'_>,
    room: u32,
    visit: &mut dyn FnMut(Slice),
) -> Result<()> {
    while !cursor.is_empty() {
        match cursor.tag()? {
            tags::STRING | tags::BYTES => visit(cursor.slice()?),
            tags::ARRAY => visit_list(&mut cursor.message()?, deeper(room, cursor.at())?, visit)?,
            tags::MAP => visit_map(&mut cursor.message()?, deeper(room, cursor.at())?, visit)?,
            tag => cursor.skip(tag, room)?,
        }
    }
    Ok(())
}

fn visit_list(cursor: &mut Cursor<'_>, room: u32, visit: &mut dyn FnMut(Slice)) -> Result<()> {
    while !cursor.is_empty() {
        match cursor.tag()? {
            tags::VALUES => visit_texts(&mut cursor.message()?, deeper(room, cursor.at())?, visit)?,
            tag => cursor.skip(tag, room)?,
        }
    }
    Ok(())
}

fn visit_map(cursor: &mut Cursor<'_>, room: u32, visit: &mut dyn FnMut(Slice)) -> Result<()> {
    while !cursor.is_empty() {
        match cursor.tag()? {
            tags::VALUES => {
                visit_key_value(&mut cursor.message()?, deeper(room, cursor.at())?, visit)?
            }
            tag => cursor.skip(tag, room)?,
        }
    }
    Ok(())
}

/// As [`visit_texts`], for the values of a `KeyValue` body; also those that a later value replaces.
pub(crate) fn visit_key_value(
    cursor: &mut Cursor<'_>,
    room: u32,
    visit: &mut dyn FnMut(Slice),
) -> Result<()> {
    while !cursor.is_empty() {
        match cursor.tag()? {
            tags::VALUE => visit_texts(&mut cursor.message()?, deeper(room, cursor.at())?, visit)?,
            tag => cursor.skip(tag, room)?,
        }
    }
    Ok(())
}
