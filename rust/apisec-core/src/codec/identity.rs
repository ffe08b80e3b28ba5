//! By what a span is known again when it comes a second time, from whomever.

use super::split::for_each;
use super::tags;
use crate::error::Result;
use crate::hash::Hasher;
use crate::wire::{Cursor, Slice};

/// One span in so many is in the sample of a request.
pub const SAMPLE: u64 = 16;

/// The fields of a span that nobody on its way changes. Its ids alone are not enough: client and server may share them (B3), and a
/// span that lasts may be sent more than once, each time with another end.
#[derive(Default)]
pub(super) struct Unchanging {
    pub trace_id: Slice,
    pub span_id: Slice,
    pub kind: i32,
    pub start: u64,
    pub end: u64,
}

impl Unchanging {
    /// Whether the span is in the sample: by its ids, so that it is each time it comes.
    #[inline]
    pub fn is_sampled(&self, bytes: &[u8]) -> bool {
        let (trace, span) = (self.trace_id.of(bytes), self.span_id.of(bytes));
        match (trace.last_chunk::<8>(), span.first_chunk::<8>()) {
            (Some(trace), Some(span)) => {
                let both = u64::from_le_bytes(*trace).rotate_left(29) ^ u64::from_le_bytes(*span);
                both.wrapping_mul(0x9E37_79B9_7F4A_7C15) < u64::MAX / SAMPLE
            }
            _ => false,
        }
    }

    /// The span's identity; 0 of one without whole ids, which is never known again.
    pub fn identity(&self, bytes: &[u8], hasher: &Hasher) -> u64 {
        let trace = <[u8; 16]>::try_from(self.trace_id.of(bytes)).map_or(0, u128::from_le_bytes);
        let span = <[u8; 8]>::try_from(self.span_id.of(bytes)).map_or(0, u64::from_le_bytes);
        if trace == 0 || span == 0 {
            return 0;
        }
        let (low, high) = (trace as u64, (trace >> 64) as u64);
        let all = [low, high, span, self.start, self.end, self.kind as u64];
        hasher.text(all.map(u64::to_le_bytes).as_flattened())
    }

    fn read(mut cursor: Cursor<'_>) -> Result<Self> {
        let mut found = Self::default();
        while !cursor.is_empty() {
            match cursor.tag()? {
                tags::TRACE_ID => found.trace_id = cursor.slice()?,
                tags::SPAN_ID => found.span_id = cursor.slice()?,
                tags::KIND => found.kind = cursor.varint()? as i32,
                tags::START => found.start = cursor.bits64()?,
                tags::END => found.end = cursor.bits64()?,
                tag => cursor.skip(tag, super::DEPTH)?,
            }
        }
        Ok(found)
    }
}

/// The identity of every span of a request, in order.
pub fn identities(request: &[u8], hasher: &Hasher) -> Result<Vec<u64>> {
    let mut found = Vec::new();
    for_each(Cursor::new(request), tags::RESOURCE_SPANS, |_, body| {
        for_each(body, tags::SCOPE_SPANS, |_, body| {
            for_each(body, tags::SPANS, |_, span| {
                found.push(Unchanging::read(span)?.identity(request, hasher));
                Ok(())
            })
        })
    })?;
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::codec::{Vocabulary, decode, without};
    use crate::wire::{put_bytes, put_length, put_varint};

    struct Sent {
        trace: Vec<u8>,
        span: u64,
        kind: u64,
        end: u64,
    }

    fn sent(span: u64) -> Sent {
        Sent {
            trace: vec![7; 16],
            span,
            kind: 2,
            end: 9,
        }
    }

    fn message(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
        put_varint(out, u64::from(field << 3 | 2));
        put_length(out, |out| {
            write(out);
            Ok::<(), ()>(())
        })
        .unwrap();
    }

    fn write(out: &mut Vec<u8>, sent: &Sent) {
        put_bytes(out, 1, &sent.trace);
        put_bytes(out, 2, &sent.span.to_le_bytes());
        put_bytes(out, 5, b"GET /");
        put_varint(out, 6 << 3);
        put_varint(out, sent.kind);
        out.push(8 << 3 | 1);
        out.extend_from_slice(&sent.end.to_le_bytes());
    }

    fn request(all: &[Sent]) -> Vec<u8> {
        let mut out = Vec::new();
        message(&mut out, 1, |out| {
            message(out, 2, |out| {
                all.iter()
                    .for_each(|sent| message(out, 2, |out| write(out, sent)));
            });
        });
        out
    }

    fn known(all: &[Sent]) -> Vec<u64> {
        identities(&request(all), &Hasher::new(&[3; 16])).unwrap()
    }

    #[test]
    fn a_span_is_known_again_in_whatever_request_it_comes() {
        let alone = known(&[sent(5)]);
        assert!(known(&[sent(4), sent(5)]).ends_with(&alone));
        assert_ne!(known(&[sent(4)]), alone);
    }

    #[test]
    fn another_span_under_the_same_ids_is_another() {
        let first = known(&[sent(5)]);
        let client = Sent { kind: 3, ..sent(5) };
        let longer = Sent { end: 10, ..sent(5) };
        assert_ne!(known(&[client]), first);
        assert_ne!(known(&[longer]), first);
    }

    #[test]
    fn a_span_without_whole_ids_is_never_known_again() {
        let short = Sent {
            trace: vec![7; 15],
            ..sent(5)
        };
        let zero = Sent {
            trace: vec![0; 16],
            ..sent(5)
        };
        assert_eq!(known(&[short, zero, sent(0)]), [0, 0, 0]);
    }

    #[test]
    fn what_is_left_of_a_request_is_its_other_spans_in_order() {
        let all = request(&[sent(1), sent(2), sent(3), sent(4)]);
        let rest = without(&all, &[true, false, true, false]).unwrap();
        assert_eq!(rest, request(&[sent(2), sent(4)]));
        assert_eq!(without(&all, &[]).unwrap(), all);
        assert!(without(&all, &[true; 4]).unwrap().is_empty());
    }

    #[test]
    fn decoding_takes_the_same_sample_whatever_stands_beside_a_span() {
        let vocabulary = Vocabulary::load(r#"{"kinds": [2], "columns": []}"#).unwrap();
        let hasher = Hasher::new(&[3; 16]);
        let sample = |all: &[Sent]| {
            decode(request(all).into(), &vocabulary, &hasher, 1 << 17)
                .unwrap()
                .sampled
        };
        let numbers = (1..4001_u64).map(|number| number.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let together: Vec<Sent> = numbers.clone().map(sent).collect();
        let alone: Vec<u64> = numbers.flat_map(|number| sample(&[sent(number)])).collect();
        assert_eq!(sample(&together), alone);
        assert!((150..350).contains(&alone.len()), "{}", alone.len());
        let every = known(&together);
        assert!(alone.iter().all(|identity| every.contains(identity)));
    }
}
