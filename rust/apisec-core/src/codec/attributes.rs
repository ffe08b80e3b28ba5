//! The attributes of one kept span, looked at again for what no column keeps.

use super::DEPTH;
use super::member::Member;
use super::record::{Record, Slice};
use super::tags;
use super::value::{simple_key, visit_key_value};
use crate::error::Result;
use crate::wire::Cursor;

/// Calls `visit` with every text of the attributes whose key is `wanted`, nested ones too.
///
/// # Errors
/// The span is malformed; `decode` refuses such.
pub fn visit_attributes(
    member: &Member,
    row: &Record,
    wanted: impl Fn(&[u8]) -> bool,
    visit: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<()> {
    let bytes = &member.bytes;
    let body = Slice {
        at: row.at,
        len: row.end_at.saturating_sub(row.at),
    };
    let mut span = Cursor::over(bytes, body);
    while !span.is_empty() {
        match span.tag()? {
            tags::ATTRIBUTES => {
                let attribute = span.slice()?;
                let key = match simple_key(attribute.of(bytes)) {
                    Some(key) => key,
                    None => key(bytes, attribute)?,
                };
                if wanted(key) {
                    let mut texts = Cursor::over(bytes, attribute);
                    visit_key_value(&mut texts, DEPTH, &mut |text| visit(key, text.of(bytes)))?;
                }
            }
            tag => span.skip(tag, DEPTH)?,
        }
    }
    Ok(())
}

fn key(bytes: &[u8], attribute: Slice) -> Result<&[u8]> {
    let mut cursor = Cursor::over(bytes, attribute);
    while !cursor.is_empty() {
        match cursor.tag()? {
            tags::KEY => return Ok(cursor.slice()?.of(bytes)),
            tag => cursor.skip(tag, DEPTH)?,
        }
    }
    Ok(&[])
}
