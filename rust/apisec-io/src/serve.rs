//! One connection: handshake, preface, first request, age, drain.

use std::{convert::Infallible, future::Future, io, pin::Pin, sync::Arc, time::Duration};

use hyper::{
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{net::TcpStream, sync::watch, time::sleep};
use tokio_rustls::TlsAcceptor;

use crate::{
    iobuf::{Flushed, IoBuf, Stream},
    limits::Meter,
    otlp::Transport,
    receive::{Port, handle},
    tls::Current,
};

/// How a connection ended, for counters.
pub type Ending = &'static str;
type Boxed = Box<dyn Stream>;

/// Serves one connection to its end.
pub async fn connection(
    port: Arc<Port>,
    socket: TcpStream,
    tls: Option<Current>,
    drain: watch::Receiver<bool>,
) -> Ending {
    let first = port.config.first_request.0;
    let meter = Arc::new(Meter::default());
    let opened = tokio::time::timeout(first, open(&port, socket, tls, meter.clone())).await;
    match opened {
        Ok(Ok((io, true))) => http2(port, io, meter, drain).await,
        Ok(Ok((io, false))) => http1(port, io, meter, drain).await,
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => "closed",
        Ok(Err(_)) => "handshake_failed",
        Err(_) => "no_request_in_time",
    }
}

/// The stream, and whether it begins as HTTP/2.
async fn open(
    port: &Port,
    socket: TcpStream,
    tls: Option<Current>,
    meter: Arc<Meter>,
) -> io::Result<(IoBuf<Boxed>, bool)> {
    socket.set_nodelay(true)?;
    let stream: Boxed = match tls {
        None => Box::new(socket),
        Some(tls) => {
            let config = tls.borrow().clone();
            Box::new(TlsAcceptor::from(config).accept(socket).await?)
        }
    };
    let mut io = IoBuf::new(stream, Some(meter));
    if port.transport == Transport::Grpc {
        return Ok((io, true));
    }
    let begin = io.peek(4).await?;
    if begin.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let http2 = begin.starts_with(b"PRI ");
    Ok((io, http2))
}

/// What both kinds of hyper connections can be asked.
trait Connection: Future<Output = hyper::Result<()>> {
    fn goodbye(self: Pin<&mut Self>);
}

impl<S, B> Connection for http1::Connection<TokioIo<IoBuf<Boxed>>, S>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn goodbye(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S, B> Connection for http2::Connection<TokioIo<IoBuf<Boxed>>, S, TokioExecutor>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send + 'static,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn goodbye(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

async fn http2(
    port: Arc<Port>,
    io: IoBuf<Boxed>,
    meter: Arc<Meter>,
    drain: watch::Receiver<bool>,
) -> Ending {
    let flusher = io.flusher();
    let config = &port.config;
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(2 << 20)
        .initial_connection_window_size(4 << 20)
        .max_frame_size(1 << 20)
        .max_concurrent_streams(config.max_concurrent_streams)
        .max_header_list_size(config.max_header_bytes)
        .keep_alive_interval(Duration::from_secs(60))
        .keep_alive_timeout(Duration::from_secs(20));
    let service = service(&port, &meter);
    let connection = builder.serve_connection(TokioIo::new(io), service_fn(service));
    serve(&port, flusher.flushing(connection), &meter, drain).await
}

async fn http1(
    port: Arc<Port>,
    io: IoBuf<Boxed>,
    meter: Arc<Meter>,
    drain: watch::Receiver<bool>,
) -> Ending {
    let flusher = io.flusher();
    let config = &port.config;
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(config.idle.0)
        .max_buf_size((config.max_header_bytes as usize).max(256 << 10))
        .half_close(true);
    let service = service(&port, &meter);
    let connection = builder.serve_connection(TokioIo::new(io), service_fn(service));
    serve(&port, flusher.flushing(connection), &meter, drain).await
}

type Handled =
    Pin<Box<dyn Future<Output = Result<http::Response<crate::answer::Answer>, Infallible>> + Send>>;

fn service(
    port: &Arc<Port>,
    meter: &Arc<Meter>,
) -> impl Fn(http::Request<hyper::body::Incoming>) -> Handled + use<> {
    let (port, meter) = (port.clone(), meter.clone());
    move |request| {
        let (port, meter) = (port.clone(), meter.clone());
        Box::pin(async move { Ok(handle(port, meter, request).await) })
    }
}

/// Polls a connection until it ends, or must.
async fn serve<C: Connection>(
    port: &Port,
    mut connection: Flushed<C, Boxed>,
    meter: &Meter,
    mut drain: watch::Receiver<bool>,
) -> Ending {
    let first = sleep(port.config.first_request.0);
    let age = port
        .config
        .max_connection_age
        .map_or(Duration::from_secs(366 * 86_400), |age| age.0);
    let (age, grace) = (sleep(age), port.config.max_connection_age_grace.0);
    tokio::pin!(first, age);
    let (mut fresh, mut leaving, mut draining) = (true, false, false);
    loop {
        tokio::select! {
            done = &mut connection => return ending(done),
            () = &mut first, if fresh => {
                fresh = false;
                if !meter.asked() {
                    return "no_request_in_time";
                }
            }
            () = &mut age => {
                if leaving {
                    return "too_old";
                }
                leaving = true;
                connection.connection().goodbye();
                age.as_mut().reset(tokio::time::Instant::now() + grace);
            }
            _ = drain.wait_for(|stop| *stop), if !draining => {
                draining = true;
                connection.connection().goodbye();
            }
        }
    }
}

fn ending(done: hyper::Result<()>) -> Ending {
    match done {
        Ok(()) => "closed",
        Err(error) if error.is_timeout() => "timeout",
        Err(error) if error.is_parse() || error.is_parse_too_large() => "malformed",
        Err(_) => "broken",
    }
}
