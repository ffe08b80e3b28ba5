//! HTTP/1.1 connections to a backend, kept open between requests.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::sync::Semaphore;

use crate::{
    channel::{Answered, RESPONSE},
    connect::{Target, unreachable},
    reply::{Reason, Refusal},
};

/// Servers close idle connections after 60 s or more; one that is older is not trusted.
const IDLE: Duration = Duration::from_secs(45);

/// A body in several pieces.
#[derive(Debug)]
pub struct Chunks(VecDeque<Bytes>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|chunk| chunk.len() as u64).sum())
    }
}

/// The connections to one backend.
#[derive(Debug)]
pub struct KeepAlive {
    target: Target,
    idle: Mutex<Vec<(Instant, SendRequest<Chunks>)>>,
    free: Semaphore,
}

impl KeepAlive {
    /// No connection yet; at most `connections` at a time.
    pub fn new(target: Target, connections: usize) -> KeepAlive {
        KeepAlive {
            target,
            idle: Mutex::default(),
            free: Semaphore::new(connections.max(1)),
        }
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
        let done = tokio::time::timeout_at(by.into(), self.attempts(head, chunks)).await;
        done.unwrap_or_else(|_| {
            Err(Refusal::new(
                Reason::Deadline,
                format!("backend {}: no answer in time", self.target.address()),
            ))
        })
    }

    async fn attempts(&self, head: Request<()>, chunks: Vec<Bytes>) -> Result<Answered, Refusal> {
        let _free = self
            .free
            .acquire()
            .await
            .map_err(|error| unreachable(self.target.address(), error))?;
        while let Some(sender) = self.kept() {
            // The backend may have closed it while it was idle: then it has not read this request, and another connection will do.
            match self.call(sender, head.clone(), &chunks).await {
                Err(error)
                    if error.is_canceled()
                        || error.is_incomplete_message()
                        || error.is_closed() => {}
                done => return done.map_err(|error| self.fault(&error)),
            }
        }
        let (stream, _) = self.target.connect().await?;
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.fault(&error))?;
        tokio::spawn(connection);
        self.call(sender, head, &chunks)
            .await
            .map_err(|error| self.fault(&error))
    }

    fn fault(&self, error: &hyper::Error) -> Refusal {
        unreachable(self.target.address(), error)
    }

    fn kept(&self) -> Option<SendRequest<Chunks>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(since, sender)| since.elapsed() < IDLE && !sender.is_closed());
        idle.pop().map(|(_, sender)| sender)
    }

    async fn call(
        &self,
        mut sender: SendRequest<Chunks>,
        head: Request<()>,
        chunks: &[Bytes],
    ) -> hyper::Result<Answered> {
        sender.ready().await?;
        let request = head.map(|()| Chunks(chunks.iter().cloned().collect()));
        let (head, body) = sender.send_request(request).await?.into_parts();
        // Too long or broken off: what there is decides by its status, and the connection is not used again.
        let whole = Limited::new(body, RESPONSE).collect().await;
        if whole.is_ok() {
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((Instant::now(), sender));
        }
        let body = whole.map(http_body_util::Collected::to_bytes);
        let cut = body.is_err();
        let mut answered = Answered {
            head,
            body: body.unwrap_or_default(),
            trailers: None,
        };
        if cut && answered.head.status.is_success() {
            answered.head.status = http::StatusCode::BAD_GATEWAY;
        }
        Ok(answered)
    }
}
