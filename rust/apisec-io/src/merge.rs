//! What waits together leaves together: concatenated OTLP requests are one OTLP request.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    compress::{Encoding, decompress},
    otlp::Signal,
    request::Request,
};

/// A request on its way out. Without a payload it leaves as it came.
#[derive(Debug)]
pub struct Outgoing {
    /// The request, which gets the backend's answer.
    pub request: Arc<Request>,
    /// Protobuf to send in its place.
    pub payload: Option<Bytes>,
    /// The payload is what came, decompressed: it may leave as the compressed bytes that came.
    pub same: bool,
    /// Spans of the request that the payload lacks, as the backend has them already.
    pub withheld: u32,
}

/// One request's share of a message.
#[derive(Clone, Debug)]
pub struct Member {
    /// The request.
    pub request: Arc<Request>,
    /// Its bytes, in the message's encoding.
    pub bytes: Bytes,
    /// Spans in them; fewer than the request's when the rest is withheld.
    pub spans: u32,
}

/// What leaves in one call.
#[derive(Debug)]
pub struct Message {
    /// Kind of telemetry.
    pub signal: Signal,
    /// Encoding of the members' bytes: identity, or one that the exporter sends as it is.
    pub encoding: Encoding,
    /// OTLP/JSON.
    pub json: bool,
    /// One request, or several that are identity protobuf with equal headers.
    pub members: Vec<Member>,
    spans: u32,
    size: usize,
}

/// How an exporter wants its messages.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The encoding that it sends.
    pub encoding: Encoding,
    /// Most spans of a message.
    pub max_spans: u32,
    /// Most bytes of a message, uncompressed.
    pub max_bytes: usize,
    /// Whether to merge.
    pub merge: bool,
}

impl Message {
    /// Whether it must be split to fit.
    pub fn oversize(&self, rule: &Rule) -> bool {
        self.encoding == Encoding::Identity
            && !self.json
            && (self.size > rule.max_bytes || self.spans > rule.max_spans)
    }

    fn joins(&self, other: &Message, rule: &Rule) -> bool {
        let plain = |message: &Message| message.encoding == Encoding::Identity && !message.json;
        let headers = |message: &Message| {
            message
                .members
                .first()
                .map(|member| member.request.headers.clone())
        };
        rule.merge
            && self.signal == other.signal
            && plain(self)
            && plain(other)
            && self.size + other.size <= rule.max_bytes
            && self.spans.saturating_add(other.spans) <= rule.max_spans
            && headers(self) == headers(other)
    }

    /// Each member as a message of its own.
    pub fn alone(self) -> impl Iterator<Item = Message> {
        let Message {
            signal,
            encoding,
            json,
            members,
            ..
        } = self;
        members.into_iter().map(move |member| {
            let (spans, size) = (member.spans, member.bytes.len());
            Message {
                signal,
                encoding,
                json,
                members: vec![member],
                spans,
                size,
            }
        })
    }
}

/// The one request as a message; None when its bytes cannot be had, which is answered as lost.
fn single(outgoing: Outgoing, rule: &Rule) -> Option<Message> {
    let Outgoing {
        request,
        payload,
        same,
        withheld,
    } = outgoing;
    let spans = request.spans.saturating_sub(withheld);
    let original = &request.original;
    let (bytes, same) = match payload {
        Some(bytes) => (bytes, same),
        None => request.forward().map_or_else(
            || {
                Some((
                    decompress(original.encoding, &original.bytes, usize::MAX).ok()?,
                    true,
                ))
            },
            Some,
        )?,
    };
    let json = original.json && same;
    let fits = bytes.len() <= rule.max_bytes && spans <= rule.max_spans;
    let keep = same && fits && original.encoding == rule.encoding;
    let (bytes, encoding) = if keep {
        (original.bytes.clone(), original.encoding)
    } else {
        (bytes, Encoding::Identity)
    };
    let (signal, size) = (request.signal, bytes.len());
    Some(Message {
        signal,
        encoding,
        json,
        spans,
        size,
        members: vec![Member {
            request,
            bytes,
            spans,
        }],
    })
}

/// Messages for these requests, in their order but for merging with an earlier one of equal headers.
pub fn plan(outgoing: Vec<Outgoing>, rule: &Rule) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::with_capacity(outgoing.len());
    for message in outgoing
        .into_iter()
        .filter_map(|outgoing| single(outgoing, rule))
    {
        // Only the last few: an old message is full, or of other headers.
        match messages
            .iter_mut()
            .rev()
            .take(8)
            .find(|earlier| earlier.joins(&message, rule))
        {
            Some(earlier) => {
                earlier.size += message.size;
                earlier.spans += message.spans;
                earlier.members.extend(message.members);
            }
            None => messages.push(message),
        }
    }
    messages
}
