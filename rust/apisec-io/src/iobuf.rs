//! A socket with read-ahead and deferred writes: h2 reads 8 KiB and flushes 16 KiB at a time,
//! which costs ten times the system calls.
//!
//! A socket keeps one write waker. So only the task that polls the connection may write, and
//! `Flushed` pushes out with that task's context what the connection wrote during a poll.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::Meter;

const AHEAD: usize = 64 << 10;
/// Unsent bytes above which a write waits for the socket.
const HIGH: usize = 512 << 10;

/// A stream that is read and written unbuffered.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// The stream and its unsent bytes, shared by `IoBuf` and `Flushed`.
#[derive(Debug)]
pub struct Shared<S> {
    stream: S,
    unsent: Vec<u8>,
    sent: usize,
    failed: Option<io::ErrorKind>,
}

impl<S: Stream> Shared<S> {
    fn push(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.unsent.len() {
            let count =
                ready!(Pin::new(&mut self.stream).poll_write(cx, &self.unsent[self.sent..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count;
        }
        self.sent = 0;
        if self.unsent.capacity() > HIGH {
            self.unsent = Vec::new();
        }
        self.unsent.clear();
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

fn lock<S>(shared: &Mutex<S>) -> MutexGuard<'_, S> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The adapter that a connection reads and writes.
#[derive(Debug)]
pub struct IoBuf<S> {
    shared: Arc<Mutex<Shared<S>>>,
    ahead: Box<[u8]>,
    at: usize,
    end: usize,
    meter: Option<Arc<Meter>>,
}

impl<S: Stream> IoBuf<S> {
    /// Wraps a stream; a meter ends it when it reads more than its requests explain.
    pub fn new(stream: S, meter: Option<Arc<Meter>>) -> IoBuf<S> {
        let shared = Shared {
            stream,
            unsent: Vec::new(),
            sent: 0,
            failed: None,
        };
        IoBuf {
            shared: Arc::new(Mutex::new(shared)),
            ahead: vec![0; AHEAD].into(),
            at: 0,
            end: 0,
            meter,
        }
    }

    /// What wraps the connection that will own this adapter.
    pub fn flusher(&self) -> Flusher<S> {
        Flusher(self.shared.clone())
    }

    /// Reads until `count` bytes, which stay unread, are there; fewer at the end of the stream.
    pub async fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.end < count {
            let before = self.end;
            std::future::poll_fn(|cx| self.fill(cx)).await?;
            if self.end == before {
                break;
            }
        }
        Ok(&self.ahead[..self.end])
    }

    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = lock(&self.shared);
        let mut buffer = ReadBuf::new(&mut self.ahead[self.end..]);
        ready!(Pin::new(&mut shared.stream).poll_read(cx, &mut buffer))?;
        let count = buffer.filled().len();
        self.end += count;
        Poll::Ready(measure(self.meter.as_ref(), count))
    }
}

fn measure(meter: Option<&Arc<Meter>>, count: usize) -> io::Result<()> {
    match meter {
        Some(meter) if !meter.read(count) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "more bytes than requests explain",
        )),
        _ => Ok(()),
    }
}

impl<S: Stream> AsyncRead for IoBuf<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = &mut *self;
        if me.at == me.end {
            (me.at, me.end) = (0, 0);
            if let Some(kind) = lock(&me.shared).failed {
                return Poll::Ready(Err(kind.into()));
            }
            if buffer.remaining() >= AHEAD {
                let before = buffer.filled().len();
                ready!(Pin::new(&mut lock(&me.shared).stream).poll_read(cx, buffer))?;
                return Poll::Ready(measure(me.meter.as_ref(), buffer.filled().len() - before));
            }
            ready!(me.fill(cx))?;
        }
        let count = (me.end - me.at).min(buffer.remaining());
        buffer.put_slice(&me.ahead[me.at..me.at + count]);
        me.at += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> AsyncWrite for IoBuf<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut shared = lock(&self.shared);
        if let Some(kind) = shared.failed {
            return Poll::Ready(Err(kind.into()));
        }
        if shared.unsent.len() - shared.sent >= HIGH {
            ready!(shared.push(cx))?;
        }
        let before = shared.unsent.len();
        for slice in slices {
            shared.unsent.extend_from_slice(slice);
        }
        Poll::Ready(Ok(shared.unsent.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = lock(&self.shared);
        ready!(shared.push(cx))?;
        Pin::new(&mut shared.stream).poll_shutdown(cx)
    }
}

/// Makes `Flushed` of a connection.
#[derive(Debug)]
pub struct Flusher<S>(Arc<Mutex<Shared<S>>>);

impl<S: Stream> Flusher<S> {
    /// The future that polls `connection` and pushes out what it writes.
    pub fn flushing<F: Future>(self, connection: F) -> Flushed<F, S> {
        Flushed {
            connection: Box::pin(connection),
            shared: self.0,
        }
    }
}

/// A connection whose writes are pushed out after each poll.
#[derive(Debug)]
pub struct Flushed<F, S> {
    connection: Pin<Box<F>>,
    shared: Arc<Mutex<Shared<S>>>,
}

impl<F, S> Flushed<F, S> {
    /// The connection itself.
    pub fn connection(&mut self) -> Pin<&mut F> {
        self.connection.as_mut()
    }
}

impl<F: Future, S: Stream> Future for Flushed<F, S> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let polled = self.connection.as_mut().poll(cx);
        let mut shared = lock(&self.shared);
        if let Poll::Ready(Err(error)) = shared.push(cx)
            && shared.failed.is_none()
        {
            shared.failed = Some(error.kind());
            cx.waker().wake_by_ref();
        }
        polled
    }
}
