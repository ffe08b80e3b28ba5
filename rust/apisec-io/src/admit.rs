//! From a whole body to the engine, or straight to an exporter: decompress, decode, route.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::{
    compress::{Encoding, decompress},
    config::IoConfig,
    counters::{Counters, Key},
    export::Exporter,
    limits::Gauge,
    mailbox::Mailbox,
    merge::Outgoing,
    outbox::Outbox,
    pool::Pool,
    reply::{Reason, Refusal, Reply},
    request::{Codec, Envelope, Received, Request},
};

/// Where a signal goes.
#[derive(Clone, Debug)]
pub enum Route {
    /// To the engine; unanalysed to the exporter when the engine stalls (None: accepted and dropped, as a tap).
    Engine(Option<Exporter>),
    /// Byte for byte to the exporter.
    Direct(Exporter),
}

/// The routes of one receiver, by signal.
pub type Routes = [Option<Route>; 3];

/// What all receivers and exporters of one process share.
#[derive(Debug)]
pub struct Core {
    /// Settings.
    pub config: IoConfig,
    /// The codec handed in.
    pub codec: Codec,
    /// Bytes in flight.
    pub flight: Arc<Gauge>,
    /// Open connections.
    pub connections: Arc<Gauge>,
    /// Counters.
    pub counters: Counters,
    /// Requests that wait for the engine.
    pub mailbox: Mailbox,
    /// Findings on their way.
    pub outbox: Outbox,
    /// Threads for compression and decoding.
    pub pool: Pool,
    /// Numbers requests.
    pub next: AtomicU64,
}

impl Core {
    /// Everything empty.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(config: IoConfig, codec: Codec) -> std::io::Result<Arc<Core>> {
        Ok(Arc::new(Core {
            flight: Gauge::new(config.in_flight_bytes),
            connections: Gauge::new(config.connections),
            counters: Counters::default(),
            mailbox: Mailbox::default(),
            outbox: Outbox::new(config.outbox_messages, config.outbox_bytes),
            pool: Pool::new(config.workers)?,
            next: AtomicU64::new(1),
            config,
            codec,
        }))
    }
}

/// Takes a body in: small ones here and now, large ones on the pool. The reply goes to the envelope's sender.
pub fn admit(core: &Arc<Core>, route: &Route, cap: usize, envelope: Envelope) {
    let original = &envelope.original;
    let small = original.bytes.len() <= core.config.inline_bytes
        && original.encoding.likely_size(&original.bytes) <= 8 * core.config.inline_bytes;
    let (core, route) = (core.clone(), route.clone());
    if small {
        drop(catch_unwind(AssertUnwindSafe(move || {
            decode(&core, &route, cap, envelope)
        })));
    } else {
        core.clone()
            .pool
            .submit(move || decode(&core, &route, cap, envelope));
    }
}

fn decode(core: &Arc<Core>, route: &Route, cap: usize, mut envelope: Envelope) {
    match prepare(core, cap, &mut envelope) {
        Ok(prepared) => {
            let id = core.next.fetch_add(1, Relaxed);
            deliver(core, route, Arc::new(Request::new(id, envelope, prepared)));
        }
        Err(refusal) => drop(envelope.reply.send((Reply::Refused(refusal), 0))),
    }
}

fn prepare(
    core: &Core,
    cap: usize,
    envelope: &mut Envelope,
) -> Result<Box<dyn crate::request::Prepared>, Refusal> {
    let original = &mut envelope.original;
    let bytes = decompress(original.encoding, &original.bytes, cap)?;
    if original.encoding != Encoding::Identity && !envelope.held.grow(bytes.len()) {
        return Err(Refusal::new(Reason::Pressure, "too many bytes in flight"));
    }
    (core.codec.prepare)(Received {
        signal: envelope.signal,
        bytes,
        json: original.json,
    })
}

fn deliver(core: &Arc<Core>, route: &Route, request: Arc<Request>) {
    match route {
        Route::Engine(fallback) => core.mailbox.put(request, fallback.clone()),
        Route::Direct(exporter) => exporter.push(vec![Outgoing {
            request,
            payload: None,
            same: true,
            withheld: 0,
        }]),
    }
}

/// Sends what the engine left waiting, unanalysed; counted by signal.
pub fn bypass(core: &Core, request: Arc<Request>, fallback: Option<Exporter>) {
    let name = "receiver_unanalysed_requests";
    let (transport, signal) = (request.transport.name(), request.signal.name());
    core.counters.add(
        Key {
            name,
            owner: request.receiver.clone(),
            transport,
            signal,
            reason: "engine_stalled",
        },
        1,
    );
    let name = "receiver_unanalysed_items";
    core.counters.add(
        Key {
            name,
            owner: request.receiver.clone(),
            transport,
            signal,
            reason: "engine_stalled",
        },
        u64::from(request.spans),
    );
    match fallback {
        Some(exporter) => exporter.push(vec![Outgoing {
            request,
            payload: None,
            same: true,
            withheld: 0,
        }]),
        None => drop(request.answer(Reply::Accepted)),
    }
}
