//! One received request, from the wire to its reply, and what the codec makes of it.

use std::{
    any::Any,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use tokio::sync::oneshot;

use crate::{
    compress::Encoding,
    limits::Held,
    otlp::{Signal, Transport},
    reply::{Reason, Refusal, Reply},
};

/// A decompressed body on its way to the codec.
#[derive(Clone, Debug)]
pub struct Received {
    /// Kind of telemetry.
    pub signal: Signal,
    /// The body, decompressed.
    pub bytes: Bytes,
    /// OTLP/JSON rather than protobuf.
    pub json: bool,
}

/// What the codec made of a body.
pub trait Prepared: Send {
    /// Spans (or records, or points) in it; 0 when unknown.
    fn spans(&self) -> u32;
    /// The body to send unanalysed: the same bytes, secrets overwritten.
    fn forward(&self) -> Bytes;
    /// Whether `forward` is what was received.
    fn unchanged(&self) -> bool;
    /// Numbers by which its items, or a sample of them, are known when they come again; taken once.
    fn identities(&mut self) -> Vec<u64> {
        Vec::new()
    }
    /// Itself, for the engine.
    fn any(self: Box<Self>) -> Box<dyn Any + Send>;
}

/// Decodes a body, or refuses it. Runs on the I/O thread or on the pool; a panic costs only its request.
pub type Prepare = Arc<dyn Fn(Received) -> Result<Box<dyn Prepared>, Refusal> + Send + Sync>;

/// Cuts a protobuf body at span boundaries into parts of at most so many spans and bytes, each with its spans.
pub type Split = Arc<dyn Fn(Signal, &Bytes, u32, usize) -> Vec<(Bytes, u32)> + Send + Sync>;

/// The codec that the transport is given.
#[derive(Clone)]
pub struct Codec {
    /// Decodes.
    pub prepare: Prepare,
    /// Splits what is too large to leave whole.
    pub split: Split,
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Codec")
    }
}

/// A body that is passed through as it came.
#[derive(Debug)]
pub struct Opaque(pub Bytes);

impl Prepared for Opaque {
    fn spans(&self) -> u32 {
        0
    }
    fn forward(&self) -> Bytes {
        self.0.clone()
    }
    fn unchanged(&self) -> bool {
        true
    }
    fn any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

/// The body as it was on the wire, without gRPC's prefix.
#[derive(Clone, Debug)]
pub struct Original {
    /// The bytes.
    pub bytes: Bytes,
    /// Their encoding.
    pub encoding: Encoding,
    /// OTLP/JSON.
    pub json: bool,
}

/// Headers that go on to the backend, in the order of `metadata_keys`.
pub type Passed = Arc<[(HeaderName, HeaderValue)]>;

/// One request; dropped without a reply it is refused as lost.
pub struct Request {
    /// Number, in order of arrival.
    pub id: u64,
    /// Kind of telemetry.
    pub signal: Signal,
    /// How it came.
    pub transport: Transport,
    /// Id of the receiver.
    pub receiver: Arc<str>,
    /// Spans in it; 0 when unknown.
    pub spans: u32,
    /// The body as it came; its bytes are kept only when they may leave again (or to know a retry by).
    pub original: Original,
    /// Headers that go on to the backend.
    pub headers: Passed,
    /// When its headers came.
    pub received: Instant,
    /// The same, ns since 1970.
    pub received_ns: u64,
    /// When the sender gives up; None = it does not say.
    pub deadline: Option<Instant>,
    prepared: Mutex<Option<Box<dyn Prepared>>>,
    identities: Mutex<Arc<[u64]>>,
    reply: Mutex<Option<oneshot::Sender<(Reply, u32)>>>,
    _held: Held,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Request({} {} from {})",
            self.id,
            self.signal.name(),
            self.receiver
        )
    }
}

/// What the front end knows of a request before its body is decoded.
#[derive(Debug)]
pub struct Envelope {
    /// Kind of telemetry.
    pub signal: Signal,
    /// How it came.
    pub transport: Transport,
    /// Id of the receiver.
    pub receiver: Arc<str>,
    /// The body.
    pub original: Original,
    /// Headers that go on.
    pub headers: Passed,
    /// When its headers came.
    pub received: Instant,
    /// The same, ns since 1970.
    pub received_ns: u64,
    /// When the sender gives up.
    pub deadline: Option<Instant>,
    /// Where the reply goes.
    pub reply: oneshot::Sender<(Reply, u32)>,
    /// Its share of the bytes in flight.
    pub held: Held,
}

impl Request {
    /// A request that is decoded.
    pub fn new(id: u64, envelope: Envelope, mut prepared: Box<dyn Prepared>) -> Request {
        Request {
            id,
            signal: envelope.signal,
            transport: envelope.transport,
            receiver: envelope.receiver,
            spans: prepared.spans(),
            original: envelope.original,
            headers: envelope.headers,
            received: envelope.received,
            received_ns: envelope.received_ns,
            deadline: envelope.deadline,
            identities: Mutex::new(prepared.identities().into()),
            prepared: Mutex::new(Some(prepared)),
            reply: Mutex::new(Some(envelope.reply)),
            _held: envelope.held,
        }
    }

    /// The decoded body, once.
    pub fn take(&self) -> Option<Box<dyn Prepared>> {
        self.prepared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// The body to send unanalysed and whether it is what came; None after `take`.
    pub fn forward(&self) -> Option<(Bytes, bool)> {
        let prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        prepared
            .as_ref()
            .map(|prepared| (prepared.forward(), prepared.unchanged()))
    }

    /// By what its items are known when they come again.
    pub fn identities(&self) -> Arc<[u64]> {
        self.identities
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// For whom they are: what the backend has of one tenant it may lack of another. 0 when no headers go on.
    pub fn whom(&self) -> u64 {
        if self.headers.is_empty() {
            return 0;
        }
        let mut hasher = DefaultHasher::new();
        for (name, value) in self.headers.iter() {
            (name.as_str(), value.as_bytes()).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Replaces them, by those of all items instead of a sample.
    pub fn identify(&self, identities: Arc<[u64]>) {
        *self
            .identities
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = identities;
    }

    /// Answers the sender; a second answer is ignored. Whether this is its answer and somebody waits for it.
    pub fn answer(&self, reply: Reply) -> bool {
        let sender = self
            .reply
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        sender.is_some_and(|sender| sender.send((reply, self.spans)).is_ok())
    }

    /// Until when the backend may take: the exporter's timeout, and the sender's deadline less a tenth (4 s when it names none).
    pub fn export_by(&self, now: Instant, timeout: Duration) -> Instant {
        let patience = self.deadline.map_or(Duration::from_secs(4), |deadline| {
            deadline
                .saturating_duration_since(self.received)
                .mul_f64(0.9)
        });
        (now + timeout).min(self.received + patience)
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.answer(lost());
    }
}

/// The answer when nobody answered.
pub fn lost() -> Reply {
    Reply::Refused(Refusal::new(
        Reason::Lost,
        "the request was given up inside; send it again",
    ))
}
