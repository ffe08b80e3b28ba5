//! HTTP/2 connections to a backend, on h2 itself: one task owns each socket.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use h2::{Reason as H2Reason, client::SendRequest};
use http::{HeaderMap, Request, response::Parts};
use tokio::sync::{Mutex, Notify};

use crate::{
    connect::{Target, unreachable},
    iobuf::IoBuf,
    reply::{Reason, Refusal},
};

/// A response may be no larger (OTLP's limit).
pub const RESPONSE: usize = 4 << 20;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LAST_BACKOFF: Duration = Duration::from_secs(2);
/// A connection on which a call timed out must answer a PING within this.
const PONG: Duration = Duration::from_secs(2);

/// A backend's answer.
#[derive(Debug)]
pub struct Answered {
    /// Status and headers.
    pub head: Parts,
    /// The whole body.
    pub body: Bytes,
    /// Trailers, when they came.
    pub trailers: Option<HeaderMap>,
}

/// Why an exchange failed.
#[derive(Debug)]
enum Fault {
    /// The backend has not looked at it: safe to send again at once.
    Unsent(Refusal),
    /// It may have.
    Broken(Refusal),
}

#[derive(Debug, Default)]
struct Health {
    closed: AtomicBool,
    suspect: Notify,
}

#[derive(Debug)]
enum Link {
    Down {
        failures: u32,
        until: Option<Instant>,
        why: Option<Refusal>,
    },
    Up(SendRequest<Bytes>, Arc<Health>),
}

#[derive(Debug)]
struct Slot {
    link: Mutex<Link>,
    in_flight: AtomicUsize,
}

/// One or few connections; each call takes the least busy.
#[derive(Debug)]
pub struct Channel {
    target: Target,
    slots: Vec<Slot>,
}

struct Busy<'a>(&'a AtomicUsize);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Channel {
    /// No connection yet: the first call opens one.
    pub fn new(target: Target, connections: usize) -> Channel {
        let slot = |_| Slot {
            link: Mutex::new(Link::Down {
                failures: 0,
                until: None,
                why: None,
            }),
            in_flight: AtomicUsize::new(0),
        };
        Channel {
            target,
            slots: (0..connections.max(1)).map(slot).collect(),
        }
    }

    /// Where it leads.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// One request and its whole answer, before `by`.
    ///
    /// # Errors
    /// Retryable refusals: unreachable, broken off, too late.
    pub async fn exchange(
        &self,
        head: Request<()>,
        chunks: Vec<Bytes>,
        by: Instant,
    ) -> Result<Answered, Refusal> {
        let Some(slot) = self
            .slots
            .iter()
            .min_by_key(|slot| slot.in_flight.load(Relaxed))
        else {
            return Err(unreachable(self.target.address(), "no connection"));
        };
        slot.in_flight.fetch_add(1, Relaxed);
        let _busy = Busy(&slot.in_flight);
        let mut used = None;
        let done =
            tokio::time::timeout_at(by.into(), self.attempts(slot, head, chunks, &mut used)).await;
        done.unwrap_or_else(|_| {
            if let Some(health) = used {
                health.suspect.notify_one();
            }
            Err(Refusal::new(
                Reason::Deadline,
                format!("backend {}: no answer in time", self.target.address()),
            ))
        })
    }

    async fn attempts(
        &self,
        slot: &Slot,
        head: Request<()>,
        chunks: Vec<Bytes>,
        used: &mut Option<Arc<Health>>,
    ) -> Result<Answered, Refusal> {
        let mut tries = 0;
        loop {
            tries += 1;
            let (sender, health) = self.up(slot).await?;
            *used = Some(health.clone());
            match call(&self.target, sender, &head, &chunks, &health).await {
                Ok(answered) => return Ok(answered),
                Err(Fault::Unsent(_)) if tries < 3 => {}
                Err(Fault::Unsent(refusal) | Fault::Broken(refusal)) => return Err(refusal),
            }
        }
    }

    /// The slot's connection, opened when there is none; those who wait for it share its outcome.
    async fn up(&self, slot: &Slot) -> Result<(SendRequest<Bytes>, Arc<Health>), Refusal> {
        let mut link = slot.link.lock().await;
        let failures = match &*link {
            Link::Up(sender, health) if !health.closed.load(Relaxed) => {
                return Ok((sender.clone(), health.clone()));
            }
            Link::Up(..) => 0,
            Link::Down {
                failures,
                until,
                why,
            } => {
                if let (Some(until), Some(why)) = (until, why)
                    && Instant::now() < *until
                {
                    return Err(why.clone());
                }
                *failures
            }
        };
        match open(&self.target).await {
            Ok((sender, health)) => {
                *link = Link::Up(sender.clone(), health.clone());
                Ok((sender, health))
            }
            Err(why) => {
                let until = Some(Instant::now() + backoff(failures));
                *link = Link::Down {
                    failures: failures.saturating_add(1),
                    until,
                    why: Some(why.clone()),
                };
                Err(why)
            }
        }
    }
}

/// Doubles from 100 ms to 2 s, with jitter of a fifth either way.
fn backoff(failures: u32) -> Duration {
    let jitter = RandomState::new().hash_one(failures) % 400;
    FIRST_BACKOFF
        .saturating_mul(1 << failures.min(6))
        .min(LAST_BACKOFF)
        .mul_f64(0.8 + jitter as f64 / 1000.0)
}

/// A connection whose TLS did not agree on HTTP/2.
pub const NOT_HTTP2: &str = "does not speak HTTP/2";

async fn open(target: &Target) -> Result<(SendRequest<Bytes>, Arc<Health>), Refusal> {
    let (stream, protocol) = target.connect().await?;
    if target.secure() && protocol.as_deref() != Some(b"h2") {
        return Err(unreachable(target.address(), NOT_HTTP2));
    }
    let io = IoBuf::new(stream, None);
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 20)
        .max_send_buffer_size(4 << 20)
        .max_header_list_size(16 << 10)
        .enable_push(false);
    // The preface waits in the adapter until the first flush after a poll.
    let flusher = io.flusher();
    let (sender, mut connection) = builder
        .handshake::<_, Bytes>(io)
        .await
        .map_err(|error| unreachable(target.address(), error))?;
    let health = Arc::new(Health::default());
    let pings = connection.ping_pong();
    let flushed = flusher.flushing(connection);
    let watched = health.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = flushed => {}
            () = dead(pings, &watched) => {}
        }
        watched.closed.store(true, Relaxed);
    });
    Ok((sender, health))
}

/// Ends when a suspected connection does not answer a PING.
async fn dead(pings: Option<h2::PingPong>, health: &Health) {
    let Some(mut pings) = pings else {
        return std::future::pending().await;
    };
    loop {
        health.suspect.notified().await;
        let pong = tokio::time::timeout(PONG, pings.ping(h2::Ping::opaque())).await;
        if !matches!(pong, Ok(Ok(_))) {
            return;
        }
    }
}

fn fault(target: &Target, health: &Health, error: &h2::Error) -> Fault {
    let refusal = unreachable(target.address(), error);
    let unseen = error.is_remote()
        && (error.reason() == Some(H2Reason::REFUSED_STREAM)
            || (error.is_go_away() && error.reason() == Some(H2Reason::NO_ERROR)));
    if error.is_go_away() || error.is_io() {
        health.closed.store(true, Relaxed);
    }
    if unseen {
        Fault::Unsent(refusal)
    } else {
        Fault::Broken(refusal)
    }
}

async fn call(
    target: &Target,
    sender: SendRequest<Bytes>,
    head: &Request<()>,
    chunks: &[Bytes],
    health: &Health,
) -> Result<Answered, Fault> {
    let mut sender = sender.ready().await.map_err(|error| {
        health.closed.store(true, Relaxed);
        Fault::Unsent(unreachable(target.address(), error))
    })?;
    let fault = |error: h2::Error| fault(target, health, &error);
    let (response, mut stream) = sender
        .send_request(head.clone(), chunks.is_empty())
        .map_err(fault)?;
    for (index, chunk) in chunks.iter().enumerate() {
        // A backend may answer, and reset, before it has read everything: its answer counts.
        if stream
            .send_data(chunk.clone(), index + 1 == chunks.len())
            .is_err()
        {
            break;
        }
    }
    let (head, mut body) = response.await.map_err(fault)?.into_parts();
    let mut whole = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.map_err(fault)?;
        if whole.len() + data.len() > RESPONSE {
            return Err(Fault::Broken(unreachable(
                target.address(),
                "response larger than 4 MiB",
            )));
        }
        whole.extend_from_slice(&data);
        body.flow_control()
            .release_capacity(data.len())
            .map_err(fault)?;
    }
    let trailers = body.trailers().await.map_err(fault)?;
    Ok(Answered {
        head,
        body: whole.into(),
        trailers,
    })
}
