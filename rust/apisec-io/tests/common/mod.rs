//! A codec that counts spans, a backend that answers by rule, and a client that is not ours.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs
)]

use std::{
    any::Any,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread::JoinHandle,
    time::Duration,
};

use apisec_io::{
    admit::Route,
    compress::Encoding,
    config::{ExporterConfig, IoConfig, ServerConfig},
    export::Exporter,
    merge::Outgoing,
    otlp::{Signal, Transport},
    reply::{Reason, Refusal, Reply},
    request::{Codec, Prepared, Received, Request},
    runtime::{Io, Server},
};
use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

/// Top-level fields of number 1, each one "span": `item` makes them.
pub fn count(mut bytes: &[u8]) -> Option<u32> {
    let mut spans = 0;
    while let Some((&0x0a, rest)) = bytes.split_first() {
        let (mut len, mut at) = (0usize, 0);
        loop {
            let byte = *rest.get(at)?;
            len |= usize::from(byte & 0x7f) << (7 * at);
            at += 1;
            if byte < 0x80 {
                break;
            }
        }
        bytes = rest.get(at + len..)?;
        spans += 1;
    }
    bytes.is_empty().then_some(spans)
}

/// One "span" of `size` bytes of content.
pub fn item(size: usize) -> Vec<u8> {
    let (mut out, mut len) = (vec![0x0a], size);
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend((0..size).map(|i| (i * 31 % 64) as u8));
    out
}

/// A request of so many "spans" of so many bytes.
pub fn body(spans: usize, size: usize) -> Bytes {
    item(size).repeat(spans).into()
}

struct Counted(Bytes, u32);

impl Prepared for Counted {
    fn spans(&self) -> u32 {
        self.1
    }
    fn forward(&self) -> Bytes {
        self.0.clone()
    }
    fn unchanged(&self) -> bool {
        true
    }
    fn identities(&mut self) -> Vec<u64> {
        identities_of(&self.0)
    }
    fn any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

/// One number for each request, by its size.
pub fn identities_of(bytes: &[u8]) -> Vec<u64> {
    vec![(bytes.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)]
}

pub fn codec() -> Codec {
    Codec {
        prepare: Arc::new(|received: Received| {
            if received.json {
                return Ok(Box::new(Counted(received.bytes, 1)));
            }
            let spans = count(&received.bytes)
                .ok_or_else(|| Refusal::new(Reason::Malformed, "offset 0: not a span"))?;
            if spans > 131_072 {
                return Err(Refusal::new(Reason::TooManySpans, "more than 131072 spans"));
            }
            Ok(Box::new(Counted(received.bytes, spans)))
        }),
        split: Arc::new(|_, bytes, max_spans, max_bytes| split(bytes, max_spans, max_bytes)),
    }
}

fn split(bytes: &Bytes, max_spans: u32, max_bytes: usize) -> Vec<(Bytes, u32)> {
    let one = bytes.len() / count(bytes).unwrap_or(1).max(1) as usize;
    let step = (max_bytes / one).clamp(1, max_spans as usize) * one;
    (0..bytes.len())
        .step_by(step)
        .map(|at| bytes.slice(at..(at + step).min(bytes.len())))
        .map(|part| (part.clone(), count(&part).unwrap()))
        .collect()
}

pub fn io() -> Arc<Io> {
    io_with(json!({}))
}

pub fn io_with(config: Value) -> Arc<Io> {
    let config: IoConfig = serde_json::from_value(config).unwrap();
    Arc::new(Io::start(config, codec()).unwrap())
}

pub fn exporter(io: &Io, config: Value) -> Exporter {
    let config: ExporterConfig = serde_json::from_value(config).unwrap();
    io.exporter(config).unwrap()
}

pub fn server(io: &Io, config: Value, route: &Route) -> Server {
    let config: ServerConfig = serde_json::from_value(config).unwrap();
    io.server(
        config,
        [
            Some(route.clone()),
            Some(route.clone()),
            Some(route.clone()),
        ],
    )
    .unwrap()
}

pub fn ports() -> Value {
    json!({"name": "otlp", "grpc": {"endpoint": "127.0.0.1:0"}, "http": {"endpoint": "127.0.0.1:0"}})
}

pub fn address(server: &Server, transport: Transport) -> SocketAddr {
    server
        .addresses()
        .iter()
        .find(|(kind, _)| *kind == transport)
        .unwrap()
        .1
}

/// An engine thread: pulls, lets `rule` decide: Some = answer, None = push to the exporter.
pub struct EngineThread {
    stop: Arc<AtomicBool>,
    pub seen: Arc<Mutex<Vec<Arc<Seen>>>>,
    pub spans: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
pub struct Seen {
    pub signal: Signal,
    pub spans: u32,
    pub bytes: Bytes,
    pub headers: Vec<(String, String)>,
    pub json: bool,
    pub wire: Bytes,
    pub encoding: Encoding,
}

pub type Rule = Arc<dyn Fn(&Request) -> Option<Reply> + Send + Sync>;

pub fn engine(io: &Arc<Io>, exporter: Option<Exporter>, keep: bool, rule: Rule) -> EngineThread {
    let stop = Arc::new(AtomicBool::new(false));
    let (seen, spans) = (
        Arc::new(Mutex::new(Vec::new())),
        Arc::new(AtomicU64::new(0)),
    );
    let (io, stopped, kept, total) = (io.clone(), stop.clone(), seen.clone(), spans.clone());
    let thread = std::thread::spawn(move || {
        while !stopped.load(SeqCst) {
            let pulled = io
                .core()
                .mailbox
                .pull(1024, 131_072, Duration::from_millis(20));
            let mut outgoing = Vec::new();
            for request in pulled {
                total.fetch_add(u64::from(request.spans), SeqCst);
                if keep {
                    kept.lock().unwrap().push(Arc::new(seen_of(&request)));
                }
                match rule(&request) {
                    Some(reply) => drop(request.answer(reply)),
                    None => outgoing.push(Outgoing {
                        request,
                        payload: None,
                        same: true,
                        withheld: 0,
                    }),
                }
            }
            if let Some(exporter) = &exporter {
                exporter.push(outgoing);
            }
        }
    });
    EngineThread {
        stop,
        seen,
        spans,
        thread: Some(thread),
    }
}

fn seen_of(request: &Request) -> Seen {
    let text = |(name, value): &(http::HeaderName, http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    Seen {
        signal: request.signal,
        spans: request.spans,
        bytes: request.forward().unwrap().0,
        headers: request.headers.iter().map(text).collect(),
        json: request.original.json,
        wire: request.original.bytes.clone(),
        encoding: request.original.encoding,
    }
}

impl Drop for EngineThread {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// A backend with a rule, on ports of its own.
pub struct Backend {
    pub engine: EngineThread,
    pub server: Server,
    pub io: Arc<Io>,
}

pub fn backend(rule: Rule) -> Backend {
    let io = io_with(json!({"engine_wait": 60.0}));
    let server = server(
        &io,
        json!({"name": "sink", "grpc": {"endpoint": "127.0.0.1:0"}, "http": {"endpoint": "127.0.0.1:0"}, "metadata_keys": ["x-scope-orgid", "x-test"]}),
        &Route::Engine(None),
    );
    Backend {
        engine: engine(&io, None, true, rule),
        server,
        io,
    }
}

pub fn accepting() -> Backend {
    backend(Arc::new(|_| Some(Reply::Accepted)))
}

impl Backend {
    pub fn grpc(&self) -> Value {
        json!({"name": "backend", "kind": "otlp_grpc", "endpoint": address(&self.server, Transport::Grpc).to_string(), "tls": {"insecure": true}})
    }
    pub fn http(&self) -> Value {
        json!({"name": "backend", "kind": "otlp_http", "endpoint": format!("http://{}", address(&self.server, Transport::Http))})
    }
    pub fn spans(&self) -> u64 {
        self.engine.spans.load(SeqCst)
    }
}

/// What a client got.
#[derive(Debug, Default)]
pub struct Got {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

impl Got {
    pub fn code(&self) -> i32 {
        let code = self
            .trailers
            .get("grpc-status")
            .or(self.headers.get("grpc-status"));
        code.map_or(-1, |code| code.to_str().unwrap().parse().unwrap())
    }
    pub fn message(&self) -> String {
        self.headers
            .get("grpc-message")
            .map(|text| text.to_str().unwrap().to_owned())
            .unwrap_or_default()
    }
}

pub type Sender = h2::client::SendRequest<Bytes>;

pub async fn connect(address: SocketAddr) -> Sender {
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    over(socket).await
}

pub async fn over(
    socket: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
) -> Sender {
    let (sender, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    sender
}

pub fn framed(message: &[u8], packed: bool) -> Bytes {
    let mut out = vec![u8::from(packed)];
    out.extend((message.len() as u32).to_be_bytes());
    out.extend_from_slice(message);
    out.into()
}

pub const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A request over HTTP/2 in DATA frames of at most 16 KiB, as Go sends them.
pub async fn exchange(
    sender: &Sender,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Result<Got, h2::Error> {
    let mut request = http::Request::post(format!("http://test{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut sender = sender.clone().ready().await?;
    let (response, mut stream) = sender.send_request(request.body(()).unwrap(), body.is_empty())?;
    let mut rest = body;
    while !rest.is_empty() {
        let chunk = rest.split_to(rest.len().min(16 << 10));
        if stream.send_data(chunk, rest.is_empty()).is_err() {
            break;
        }
    }
    let (head, mut reader) = response.await?.into_parts();
    let mut got = Got {
        status: head.status.as_u16(),
        headers: head.headers,
        ..Got::default()
    };
    let mut whole = Vec::new();
    while let Some(data) = reader.data().await {
        let data = data?;
        reader.flow_control().release_capacity(data.len())?;
        whole.extend_from_slice(&data);
    }
    got.body = whole.into();
    got.trailers = reader.trailers().await?.unwrap_or_default();
    Ok(got)
}

pub async fn grpc(sender: &Sender, message: &Bytes) -> Result<Got, h2::Error> {
    exchange(
        sender,
        TRACES,
        &[("content-type", "application/grpc"), ("te", "trailers")],
        framed(message, false),
    )
    .await
}

/// The same with a deadline named.
pub async fn grpc_within(
    sender: &Sender,
    message: &Bytes,
    within: Duration,
) -> Result<Got, h2::Error> {
    let timeout = format!("{}S", within.as_secs());
    let headers = [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("grpc-timeout", &timeout),
    ];
    exchange(sender, TRACES, &headers, framed(message, false)).await
}

/// A request over HTTP/1.1, read to its end.
pub async fn http1(address: SocketAddr, head: &str, body: &[u8]) -> Got {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "{head}\r\nhost: test\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    drop(socket.write_all(head.as_bytes()).await);
    drop(socket.write_all(body).await);
    let mut raw = Vec::new();
    drop(socket.read_to_end(&mut raw).await);
    parse(&raw)
}

pub fn parse(raw: &[u8]) -> Got {
    let Some(end) = raw.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Got::default();
    };
    let head = String::from_utf8_lossy(&raw[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut got = Got {
        body: Bytes::copy_from_slice(&raw[end + 4..]),
        ..Got::default()
    };
    got.status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        got.headers.append(
            http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
            value.parse().unwrap(),
        );
    }
    got
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
