//! The codec that the transport is given: traces are counted, logs and metrics pass as they are.

use std::{any::Any, sync::Arc};

use apisec_io::{
    otlp::Signal,
    reply::{Reason, Refusal},
    request::{Codec, Opaque, Prepared, Received},
};
use bytes::Bytes;

/// A body with its number of spans.
struct Counted {
    bytes: Bytes,
    spans: u32,
}

impl Prepared for Counted {
    fn spans(&self) -> u32 {
        self.spans
    }
    fn forward(&self) -> Bytes {
        self.bytes.clone()
    }
    fn unchanged(&self) -> bool {
        true
    }
    fn any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in 0..10 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift * 7)?;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Fields `path[0]` within fields `path[1]`, and so on; None when the framing is broken.
fn count(mut bytes: &[u8], path: &[u64]) -> Option<u32> {
    let Some((&wanted, deeper)) = path.split_first() else { return Some(1) };
    let mut found = 0;
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let len = match tag & 7 {
            0 => {
                varint(&mut bytes)?;
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut bytes)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (value, rest) = bytes.split_at_checked(len)?;
        bytes = rest;
        if tag >> 3 == wanted && tag & 7 == 2 {
            found += count(value, deeper)?;
        }
    }
    Some(found)
}

const MOST: u32 = 131_072;

fn prepare(received: Received) -> Result<Box<dyn Prepared>, Refusal> {
    if received.signal != Signal::Traces || received.json {
        return Ok(Box::new(Opaque(received.bytes)));
    }
    let spans = count(&received.bytes, &[1, 2, 2]).ok_or_else(|| Refusal::new(Reason::Malformed, "malformed request"))?;
    if spans > MOST {
        return Err(Refusal::new(Reason::TooManySpans, format!("{spans} spans in one request; at most {MOST}")));
    }
    Ok(Box::new(Counted { bytes: received.bytes, spans }))
}

/// The codec.
pub fn codec() -> Codec {
    Codec { prepare: Arc::new(prepare), split: Arc::new(|_, bytes, _, _| vec![(bytes.clone(), 0)]) }
}
