//! One pass over the JSON, appending protobuf as it goes.

use super::base64;
use super::reader::Reader;
use super::schema::{Field, Kind, Message, REQUEST};
use crate::codec::DEPTH;
use crate::codec::secrets::digit;
use crate::error::{Error, Result, What};
use crate::wire::{bits32, bits64, deeper, length, put_bytes, put_length, put_varint, varint};

/// An OTLP/JSON trace request as protobuf.
///
/// Taken as the Collector takes it: ids in hexadecimal of any case, of the right length or empty; names in
/// lowerCamelCase or snake_case; enums by number or name (an unknown name is 0); integers and floats as number or string;
/// `null` as absent; unknown fields skipped.
pub fn transcode(json: &[u8]) -> Result<Vec<u8>> {
    let mut reader = Reader::new(json);
    let mut out = Vec::with_capacity(json.len() / 2);
    put_message(&mut reader, REQUEST, DEPTH, &mut out)?;
    match reader.peek() {
        None => Ok(out),
        Some(_) => reader.error("more behind the request"),
    }
}

fn put_message(
    reader: &mut Reader<'_>,
    message: Message,
    room: u32,
    out: &mut Vec<u8>,
) -> Result<()> {
    reader.expect(b'{', "an object is wanted")?;
    if reader.take(b'}') {
        return Ok(());
    }
    // Fields mostly come in the order of the schema: the search goes on where the last one ended.
    let mut next = 0;
    loop {
        let name = reader.string()?;
        reader.expect(b':', "a colon is wanted")?;
        let found = (next..message.len()).chain(0..next).find(|&index| {
            message
                .get(index)
                .is_some_and(|field| is_named(field, &name))
        });
        match found.and_then(|index| Some((index, message.get(index)?))) {
            None => reader.skip()?,
            Some(_) if reader.null()? => {}
            Some((index, field)) => {
                next = index;
                put_field(reader, field, room, out)?;
            }
        }
        if !reader.take(b',') {
            return reader.expect(b'}', "a comma or } is wanted");
        }
    }
}

fn is_named(field: &Field, name: &str) -> bool {
    field.name == name || field.snake == name
}

fn put_field(reader: &mut Reader<'_>, field: &Field, room: u32, out: &mut Vec<u8>) -> Result<()> {
    let number = field.number;
    match field.kind {
        Kind::Message(message) => put_nested(reader, number, message, room, out)?,
        Kind::Messages(message) => each(reader, |reader| {
            put_nested(reader, number, message, room, out)
        })?,
        Kind::Text => put_bytes(out, number, reader.string()?.as_bytes()),
        Kind::Texts => each(reader, |reader| {
            let text = if reader.null()? {
                Default::default()
            } else {
                reader.string()?
            };
            put_bytes(out, number, text.as_bytes());
            Ok(())
        })?,
        Kind::Id(size) => put_id(reader, number, size, out)?,
        Kind::Base64 => {
            let at = reader.at();
            let bytes = base64::decode(reader.string()?.as_bytes());
            put_bytes(
                out,
                number,
                &bytes.ok_or_else(|| Error::new(at, What::Json("base64 is wanted")))?,
            );
        }
        Kind::Bool => put_number(out, number, u64::from(reader.bool()?)),
        Kind::Enum(names) => put_number(out, number, enumerated(reader, names)?),
        Kind::Signed => put_number(
            out,
            number,
            integer(reader, i64::MIN.into(), i64::MAX.into())? as u64,
        ),
        Kind::Unsigned32 => put_number(out, number, integer(reader, 0, u32::MAX.into())? as u64),
        Kind::Fixed32 => {
            let value = integer(reader, 0, u32::MAX.into())? as u32;
            put_varint(out, bits32(number).into());
            out.extend_from_slice(&value.to_le_bytes());
        }
        Kind::Fixed64 => put_fixed64(out, number, integer(reader, 0, u64::MAX.into())? as u64),
        Kind::Double => put_fixed64(out, number, double(reader)?.to_bits()),
    }
    Ok(())
}

fn put_nested(
    reader: &mut Reader<'_>,
    number: u32,
    message: Message,
    room: u32,
    out: &mut Vec<u8>,
) -> Result<()> {
    let room = deeper(room, reader.at())?;
    put_varint(out, length(number).into());
    if reader.null()? {
        out.push(0);
        return Ok(());
    }
    put_length(out, |out| put_message(reader, message, room, out))
}

/// Calls `element` for each element of an array.
fn each(
    reader: &mut Reader<'_>,
    mut element: impl FnMut(&mut Reader<'_>) -> Result<()>,
) -> Result<()> {
    reader.expect(b'[', "an array is wanted")?;
    if reader.take(b']') {
        return Ok(());
    }
    loop {
        element(reader)?;
        if !reader.take(b',') {
            return reader.expect(b']', "a comma or ] is wanted");
        }
    }
}

fn put_number(out: &mut Vec<u8>, number: u32, value: u64) {
    put_varint(out, varint(number).into());
    put_varint(out, value);
}

fn put_fixed64(out: &mut Vec<u8>, number: u32, value: u64) {
    put_varint(out, bits64(number).into());
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_id(reader: &mut Reader<'_>, number: u32, size: usize, out: &mut Vec<u8>) -> Result<()> {
    reader.peek();
    let at = reader.at();
    let text = reader.string()?;
    if text.is_empty() {
        put_bytes(out, number, &[]);
        return Ok(());
    }
    if text.len() != 2 * size {
        return Err(Error::new(at, What::Json("an id of the wrong length")));
    }
    let mut bytes = Vec::with_capacity(size);
    for pair in text.as_bytes().chunks_exact(2) {
        let byte = pair
            .iter()
            .try_fold(0, |byte, &letter| Some(byte << 4 | digit(letter)?));
        bytes
            .push(byte.ok_or_else(|| Error::new(at, What::Json("an id that is not hexadecimal")))?);
    }
    put_bytes(out, number, &bytes);
    Ok(())
}

/// An enum's number, sign-extended as protobuf writes it.
fn enumerated(reader: &mut Reader<'_>, names: &[&str]) -> Result<u64> {
    if reader.peek() == Some(b'"') {
        let name = reader.string()?;
        let named = names.iter().position(|known| *known == name);
        return Ok(named
            .map(|number| number as u64)
            .or_else(|| name.parse::<i32>().ok().map(|number| number as u64))
            .unwrap_or(0));
    }
    Ok(integer(reader, i32::MIN.into(), i32::MAX.into())? as u64)
}

/// A whole number within bounds, however it is written.
fn integer(reader: &mut Reader<'_>, least: i128, most: i128) -> Result<i128> {
    reader.peek();
    let at = reader.at();
    let text = reader.numeric()?;
    let whole = text.parse::<i128>().ok().or_else(|| {
        let value = text
            .parse::<f64>()
            .ok()
            .filter(|value| value.fract() == 0.0 && value.abs() < 1e20)?;
        Some(value as i128)
    });
    let whole = whole.filter(|value| (least..=most).contains(value));
    whole.ok_or_else(|| Error::new(at, What::Json("a whole number in range is wanted")))
}

/// A double; texts `NaN`, `Infinity` and `-Infinity` too.
fn double(reader: &mut Reader<'_>) -> Result<f64> {
    reader.peek();
    let at = reader.at();
    let text = reader.numeric()?;
    text.parse()
        .map_err(|_| Error::new(at, What::Json("a number is wanted")))
}
