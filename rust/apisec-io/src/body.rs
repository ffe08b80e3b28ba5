//! Bodies into one buffer of the right size, counted as they come, refused before they are read when too large.

use std::{sync::Arc, time::Duration};

use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::{
    limits::{Held, Meter},
    reply::{Reason, Refusal},
};

/// A declared length is a promise: no more than this is allocated ahead of the bytes.
const AHEAD: usize = 1 << 20;
const PREFIX: usize = 5;

/// What bounds a body.
#[derive(Debug)]
pub struct Bounds<'a> {
    /// Most bytes.
    pub cap: usize,
    /// It must be complete within this.
    pub within: Duration,
    /// Its share of the bytes in flight.
    pub held: &'a mut Held,
    /// The connection's meter.
    pub meter: &'a Arc<Meter>,
}

struct Gather {
    bytes: Vec<u8>,
    expected: Option<usize>,
    cap: usize,
    grpc: bool,
}

impl Gather {
    fn expect(&mut self, len: usize) -> Result<(), Refusal> {
        if len > self.cap {
            return Err(too_large(len, self.cap));
        }
        let prefix = if self.grpc { PREFIX } else { 0 };
        self.expected = Some(len + prefix);
        Ok(())
    }

    fn append(&mut self, mut data: impl Buf) -> Result<(), Refusal> {
        let len = self.bytes.len() + data.remaining();
        let prefix = if self.grpc { PREFIX } else { 0 };
        if len > self.cap + prefix {
            return Err(too_large(len - prefix, self.cap));
        }
        if len > self.bytes.capacity() {
            let wanted = self.expected.unwrap_or(0).min((len * 4).max(AHEAD));
            self.bytes.reserve_exact(wanted.max(len) - self.bytes.len());
        }
        while data.has_remaining() {
            let chunk = data.chunk();
            self.bytes.extend_from_slice(chunk);
            let count = chunk.len();
            data.advance(count);
        }
        if self.grpc
            && self.expected.is_none()
            && let Some([_, len @ ..]) = self.bytes.first_chunk::<PREFIX>()
        {
            self.expect(u32::from_be_bytes(*len) as usize)?;
        }
        Ok(())
    }
}

fn too_large(len: usize, cap: usize) -> Refusal {
    Refusal::new(
        Reason::TooLarge,
        format!("received message larger than max ({len} vs. {cap})"),
    )
}

async fn gather(
    body: &mut Incoming,
    gather: &mut Gather,
    bounds: &mut Bounds<'_>,
) -> Result<(), Refusal> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Refusal::new(Reason::Malformed, format!("the body broke off: {error}"))
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        bounds.meter.body(data.len());
        if !bounds.held.grow(data.len()) {
            return Err(Refusal::new(Reason::Pressure, "too many bytes in flight"));
        }
        gather.append(data)?;
    }
    Ok(())
}

async fn read(
    mut body: Incoming,
    mut whole: Gather,
    mut bounds: Bounds<'_>,
) -> Result<Gather, Refusal> {
    let within = bounds.within;
    let done = tokio::time::timeout(within, gather(&mut body, &mut whole, &mut bounds)).await;
    match done {
        Ok(Ok(())) => Ok(whole),
        Ok(Err(refusal)) => {
            // What the sender has on its way is thrown away, and must not count as a flood.
            bounds.meter.body(4 << 20);
            Err(refusal)
        }
        Err(_) => Err(Refusal::new(
            Reason::SlowBody,
            format!("the body was not complete within {within:?}"),
        )),
    }
}

/// A whole HTTP body; `declared` is its Content-Length.
///
/// # Errors
/// Over the cap (before reading when declared so), over the bytes in flight, too slow, broken off.
pub async fn http(
    body: Incoming,
    declared: Option<usize>,
    bounds: Bounds<'_>,
) -> Result<Bytes, Refusal> {
    let mut whole = Gather {
        bytes: Vec::new(),
        expected: None,
        cap: bounds.cap,
        grpc: false,
    };
    if let Some(len) = declared {
        whole.expect(len)?;
    }
    read(body, whole, bounds)
        .await
        .map(|whole| whole.bytes.into())
}

/// The one message of a unary gRPC call, and whether it is compressed.
///
/// # Errors
/// As `http`, and when the body is not exactly one message.
pub async fn grpc(body: Incoming, bounds: Bounds<'_>) -> Result<(Bytes, bool), Refusal> {
    let whole = Gather {
        bytes: Vec::new(),
        expected: None,
        cap: bounds.cap,
        grpc: true,
    };
    let whole = read(body, whole, bounds).await?;
    let flag = whole.bytes.first().copied();
    match (whole.expected, flag) {
        (Some(len), Some(flag @ (0 | 1))) if len == whole.bytes.len() => {
            Ok((Bytes::from(whole.bytes).slice(PREFIX..), flag == 1))
        }
        (Some(_), Some(0 | 1)) | (None, _) => Err(Refusal::new(
            Reason::Malformed,
            "the body is not exactly one gRPC message",
        )),
        _ => Err(Refusal::new(
            Reason::Malformed,
            "a gRPC message begins with 0 or 1",
        )),
    }
}
