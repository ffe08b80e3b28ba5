//! Findings on their way: sent and forgotten, bounded, their fate told later.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{
    compress::Encoding,
    deliver::count,
    export::{Call, Exporter},
    otlp::{Code, Signal},
    reply::Reply,
};

/// The fate of one message.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What `send` gave.
    pub token: u64,
    /// Id of the exporter.
    pub exporter: Arc<str>,
    /// Kind of telemetry.
    pub signal: Signal,
    /// What the backend said.
    pub reply: Reply,
    /// The first time that this backend says that it does not take this signal.
    pub unsupported: bool,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    messages: usize,
    bytes: usize,
    outcomes: VecDeque<Outcome>,
    refusers: HashSet<(Arc<str>, Signal)>,
}

/// The outbox of one process.
#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    max_messages: usize,
    max_bytes: usize,
}

/// Outcomes that wait to be read; beyond it the oldest are forgotten.
const OUTCOMES: usize = 16_384;

impl Outbox {
    /// An empty outbox.
    pub fn new(max_messages: usize, max_bytes: usize) -> Outbox {
        Outbox {
            state: Mutex::default(),
            max_messages,
            max_bytes,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends protobuf to a backend; the token of its outcome, or None when the outbox is full.
    pub fn send(&self, exporter: &Exporter, signal: Signal, bytes: Bytes) -> Option<u64> {
        let token = {
            let mut state = self.lock();
            if state.messages >= self.max_messages || state.bytes + bytes.len() > self.max_bytes {
                return None;
            }
            state.messages += 1;
            state.bytes += bytes.len();
            state.next += 1;
            state.next
        };
        let exporter = exporter.clone();
        exporter.runtime().clone().spawn(async move {
            let (size, by) = (
                bytes.len(),
                Instant::now() + exporter.config().timeout().min(Duration::from_secs(60)),
            );
            let call = Call {
                signal,
                chunks: vec![bytes],
                encoding: Encoding::Identity,
                json: false,
                headers: [].into(),
                by,
            };
            let reply = exporter.call(call).await;
            count(&exporter, signal, 0, &reply);
            exporter
                .core()
                .outbox
                .settle(token, &exporter, signal, size, reply);
        });
        Some(token)
    }

    fn settle(&self, token: u64, exporter: &Exporter, signal: Signal, size: usize, reply: Reply) {
        let mut state = self.lock();
        state.messages -= 1;
        state.bytes -= size;
        let refused =
            matches!(&reply, Reply::Refused(refusal) if refusal.code == Code::UNIMPLEMENTED);
        let unsupported = refused && state.refusers.insert((exporter.name().clone(), signal));
        state.outcomes.push_back(Outcome {
            token,
            exporter: exporter.name().clone(),
            signal,
            reply,
            unsupported,
        });
        if state.outcomes.len() > OUTCOMES {
            state.outcomes.pop_front();
        }
    }

    /// The outcomes since the last call.
    pub fn drain(&self) -> Vec<Outcome> {
        self.lock().outcomes.drain(..).collect()
    }

    /// Messages on their way.
    pub fn waiting(&self) -> usize {
        self.lock().messages
    }
}
