//! The few protobuf messages of a reply: google.rpc.Status, RetryInfo, partial success.

use std::time::Duration;

use bytes::Bytes;

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_number(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        put_varint(out, u64::from(field) << 3);
        put_varint(out, value);
    }
}

fn put_bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    put_varint(out, u64::from(field) << 3 | 2);
    put_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// google.rpc.RetryInfo with this delay.
pub fn retry_info(delay: Duration) -> Vec<u8> {
    let mut duration = Vec::new();
    put_number(&mut duration, 1, delay.as_secs());
    put_number(&mut duration, 2, u64::from(delay.subsec_nanos()));
    let mut out = Vec::new();
    put_bytes(&mut out, 1, &duration);
    out
}

/// google.rpc.Status with a RetryInfo when there is a delay.
pub fn status(code: u8, message: &str, delay: Option<Duration>) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, 1, u64::from(code));
    if !message.is_empty() {
        put_bytes(&mut out, 2, message.as_bytes());
    }
    if let Some(delay) = delay {
        let mut any = Vec::new();
        put_bytes(&mut any, 1, RETRY_INFO.as_bytes());
        put_bytes(&mut any, 2, &retry_info(delay));
        put_bytes(&mut out, 3, &any);
    }
    out
}

/// Export*ServiceResponse with a partial success (the three signals share field numbers).
pub fn partial(rejected: i64, message: &str) -> Vec<u8> {
    let mut inner = Vec::new();
    put_number(&mut inner, 1, rejected as u64);
    if !message.is_empty() {
        put_bytes(&mut inner, 2, message.as_bytes());
    }
    let mut out = Vec::new();
    put_bytes(&mut out, 1, &inner);
    out
}

/// A field's value as read.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Reads the fields of one message; ends at the first malformed byte.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in 0..10 {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f).checked_shl(shift * 7)?;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Bytes(self.take(8)?),
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(len)?)
            }
            5 => Value::Bytes(self.take(4)?),
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

/// The first partial success of a response: count and message; None when it is a full success.
pub fn read_partial(response: &[u8]) -> Option<(i64, String)> {
    let inner = Fields(response).find_map(|field| match field {
        (1, Value::Bytes(inner)) => Some(inner),
        _ => None,
    })?;
    let (mut rejected, mut message) = (0, String::new());
    for field in Fields(inner) {
        match field {
            (1, Value::Number(count)) => rejected = count as i64,
            (2, Value::Bytes(text)) => message = String::from_utf8_lossy(text).into_owned(),
            _ => {}
        }
    }
    (rejected != 0 || !message.is_empty()).then_some((rejected, message))
}

/// The message and the RetryInfo delay of a google.rpc.Status.
pub fn read_status(bytes: &[u8]) -> (Option<String>, Option<Duration>) {
    let (mut message, mut delay) = (None, None);
    for field in Fields(bytes) {
        match field {
            (2, Value::Bytes(text)) => message = Some(String::from_utf8_lossy(text).into_owned()),
            (3, Value::Bytes(any)) => delay = delay.or_else(|| read_any_retry(any)),
            _ => {}
        }
    }
    (message, delay)
}

fn read_any_retry(any: &[u8]) -> Option<Duration> {
    let (mut kind, mut value): (&[u8], &[u8]) = (&[], &[]);
    for field in Fields(any) {
        match field {
            (1, Value::Bytes(bytes)) => kind = bytes,
            (2, Value::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    (kind == RETRY_INFO.as_bytes()).then(|| read_retry_info(value))?
}

/// The delay of a google.rpc.RetryInfo, at most an hour.
pub fn read_retry_info(bytes: &[u8]) -> Option<Duration> {
    let duration = Fields(bytes).find_map(|field| match field {
        (1, Value::Bytes(inner)) => Some(inner),
        _ => None,
    })?;
    let (mut seconds, mut nanos) = (0, 0);
    for field in Fields(duration) {
        match field {
            (1, Value::Number(value)) => seconds = value,
            (2, Value::Number(value)) => nanos = value,
            _ => {}
        }
    }
    let nanos = u32::try_from(nanos).unwrap_or(0).min(999_999_999);
    Some(Duration::new(
        if seconds > 3600 { 3600 } else { seconds },
        nanos,
    ))
}

/// The five bytes before a gRPC message.
pub fn prefix(len: usize, compressed: bool) -> [u8; 5] {
    let len = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
    [u8::from(compressed), len[0], len[1], len[2], len[3]]
}

/// One gRPC message with its prefix.
pub fn framed(message: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(5 + message.len());
    out.extend_from_slice(&prefix(message.len(), false));
    out.extend_from_slice(message);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_read_as_written() {
        let delay = Duration::new(3, 250_000_000);
        let bytes = status(14, "busy", Some(delay));
        assert_eq!(read_status(&bytes), (Some("busy".into()), Some(delay)));
        assert_eq!(read_retry_info(&retry_info(delay)), Some(delay));
    }

    #[test]
    fn partial_is_read_as_written() {
        assert_eq!(read_partial(&partial(7, "no")), Some((7, "no".into())));
        assert_eq!(read_partial(&partial(0, "")), None);
        assert_eq!(read_partial(b""), None);
    }

    #[test]
    fn hostile_bytes_end_the_reading() {
        for bytes in [
            &b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"[..],
            b"\x0a\x05a",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(read_partial(bytes), None);
            assert_eq!(read_status(bytes), (None, None));
        }
    }
}
