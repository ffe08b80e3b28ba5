//! The codec that the transport is given: traces are decoded where they arrive, logs and metrics pass as they are.

use std::{any::Any, sync::Arc};

use apisec_core::codec::{self, Member, Vocabulary};
use apisec_core::error::{Error, What};
use apisec_core::hash::Hasher;
use apisec_io::{
    otlp::Signal,
    reply::{Reason, Refusal},
    request::{Codec, Opaque, Prepared, Received, Request},
};
use bytes::Bytes;

/// Spans of one request, at most.
pub const MAX_SPANS: u32 = 131_072;

/// A decoded request of spans, and whether it came as JSON.
struct Decoded {
    member: Member,
    json: bool,
}

impl Prepared for Decoded {
    fn spans(&self) -> u32 {
        self.member.spans
    }
    fn forward(&self) -> Bytes {
        self.member.forward()
    }
    fn unchanged(&self) -> bool {
        !self.json && self.member.secrets.is_empty()
    }
    fn identities(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.member.sampled)
    }
    fn any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

fn refusal(error: Error) -> Refusal {
    let reason = match error.what {
        What::Spans(_) => Reason::TooManySpans,
        What::Depth(_) => Reason::TooDeep,
        _ => Reason::Malformed,
    };
    Refusal::new(reason, error.to_string())
}

fn prepare(
    received: Received,
    vocabulary: &Vocabulary,
    hasher: &Hasher,
) -> Result<Box<dyn Prepared>, Refusal> {
    if received.signal != Signal::Traces {
        return Ok(Box::new(Opaque(received.bytes)));
    }
    let json = received.json;
    let bytes = if json {
        codec::json::transcode(&received.bytes)
            .map_err(refusal)?
            .into()
    } else {
        received.bytes
    };
    let member = codec::decode(bytes, vocabulary, hasher, MAX_SPANS).map_err(refusal)?;
    Ok(Box::new(Decoded { member, json }))
}

/// Spans are cut by the codec; what is no spans leaves whole.
fn split(signal: Signal, bytes: &Bytes, max_spans: u32, max_bytes: usize) -> Vec<(Bytes, u32)> {
    let whole = || vec![(bytes.clone(), 0)];
    if signal != Signal::Traces {
        return whole();
    }
    codec::split(bytes, max_spans, max_bytes).unwrap_or_else(|_| whole())
}

/// The codec of a vocabulary.
pub fn codec(vocabulary: Arc<Vocabulary>, hasher: Arc<Hasher>) -> Codec {
    Codec {
        prepare: Arc::new(move |received| prepare(received, &vocabulary, &hasher)),
        split: Arc::new(split),
    }
}

/// The decoded spans of a request, once, and whether they came as JSON.
pub fn take(request: &Request) -> Option<(Member, bool)> {
    let decoded = request.take()?.any().downcast::<Decoded>().ok()?;
    Some((decoded.member, decoded.json))
}
