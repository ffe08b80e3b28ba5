//! An exporter: one backend, one protocol, one encoding.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header};
use tokio::runtime::Handle;

use crate::{
    admit::Core,
    channel::{Answered, Channel, NOT_HTTP2},
    compress::{Encoding, compress},
    config::{ExporterConfig, ExporterKind},
    connect::Target,
    deliver::deliver,
    delivered::Delivered,
    keepalive::KeepAlive,
    merge::{Outgoing, Rule, plan},
    otlp::Signal,
    reply::{Reason, Refusal, Reply},
    request::Passed,
    resume::Resume,
    verdict, wire,
};

const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("apisec-otel/", env!("CARGO_PKG_VERSION")));

/// A gRPC backend is told of so much more time than it has: of two clocks that end together ours decides what the sender
/// hears, and the backend hears of that by the end of the stream.
const GRACE: Duration = Duration::from_secs(1);

/// One backend over HTTP: HTTP/1.1, or HTTP/2 where TLS agrees on it.
#[derive(Debug)]
struct Web {
    url: Uri,
    old: KeepAlive,
    new: Option<Channel>,
    only_old: AtomicBool,
}

impl Web {
    fn new(url: &str, config: &ExporterConfig) -> io::Result<Web> {
        let connections = config.connections.unwrap_or(64);
        let old = Target::new(url, &config.tls, 80, &["http/1.1"])?;
        let both = Target::new(url, &config.tls, 80, &["h2", "http/1.1"])?;
        let new = both.secure().then(|| Channel::new(both, 1));
        Ok(Web {
            url: old.url.clone(),
            old: KeepAlive::new(old, connections),
            new,
            only_old: AtomicBool::new(false),
        })
    }

    async fn exchange(
        &self,
        mut head: Request<()>,
        chunks: Vec<Bytes>,
        by: Instant,
    ) -> Result<Answered, Refusal> {
        if let Some(channel) = self.new.as_ref().filter(|_| !self.only_old.load(Relaxed)) {
            match channel.exchange(head.clone(), chunks.clone(), by).await {
                Err(refusal) if refusal.message.ends_with(NOT_HTTP2) => {
                    self.only_old.store(true, Relaxed)
                }
                done => return done,
            }
        }
        *head.version_mut() = Version::HTTP_11;
        let path = self
            .url
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str)
            .parse();
        *head.uri_mut() = path.unwrap_or_default();
        self.old.exchange(head, chunks, by).await
    }
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // one a backend, never moved in bulk
enum Wire {
    Grpc(Channel),
    Http([Web; 3]),
}

#[derive(Debug)]
struct Inner {
    name: Arc<str>,
    config: ExporterConfig,
    encoding: Encoding,
    headers: HeaderMap,
    wire: Wire,
    resume: Resume,
    delivered: Delivered,
    core: Arc<Core>,
    runtime: Handle,
}

/// One backend; clones share it.
#[derive(Clone, Debug)]
pub struct Exporter(Arc<Inner>);

/// One message for the backend.
#[derive(Clone, Debug)]
pub struct Call {
    /// Kind of telemetry.
    pub signal: Signal,
    /// The body, in pieces.
    pub chunks: Vec<Bytes>,
    /// Its encoding; identity is compressed as the exporter is set.
    pub encoding: Encoding,
    /// OTLP/JSON.
    pub json: bool,
    /// Headers of the sender.
    pub headers: Passed,
    /// The answer must come before.
    pub by: Instant,
}

fn invalid(name: &str, why: impl std::fmt::Display) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("exporter {name}: {why}"),
    )
}

fn constant_headers(config: &ExporterConfig) -> io::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(header::USER_AGENT, USER_AGENT);
    for (name, value) in &config.headers {
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| invalid(&config.name, format!("{name:?} is no header name")))?;
        let mut value = HeaderValue::from_str(value).map_err(|_| {
            invalid(
                &config.name,
                format!("the value of header {name:?} is none"),
            )
        })?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}

fn web(config: &ExporterConfig, signal: Signal) -> io::Result<Web> {
    let whole = [
        &config.traces_endpoint,
        &config.logs_endpoint,
        &config.metrics_endpoint,
    ][signal.index()];
    match whole {
        Some(url) => Web::new(url, config),
        None => Web::new(
            &format!("{}{}", config.endpoint.trim_end_matches('/'), signal.path()),
            config,
        ),
    }
}

impl Exporter {
    /// Checks the settings; connects at the first message.
    ///
    /// # Errors
    /// An endpoint, header, encoding or TLS file that will not do.
    pub fn new(core: Arc<Core>, runtime: Handle, config: ExporterConfig) -> io::Result<Exporter> {
        let unknown = || {
            invalid(
                &config.name,
                format!(
                    "compression {:?} is unknown: gzip, zstd, snappy, deflate, zlib or none",
                    config.compression
                ),
            )
        };
        let encoding = Encoding::named(&config.compression).ok_or_else(unknown)?;
        let (wire, encoding) = match config.kind {
            ExporterKind::OtlpGrpc => {
                let target = Target::new(&config.endpoint, &config.tls, 4317, &["h2"])?;
                (
                    Wire::Grpc(Channel::new(target, config.connections.unwrap_or(1))),
                    encoding.on_grpc(),
                )
            }
            ExporterKind::OtlpHttp => {
                let [traces, logs, metrics] = Signal::ALL.map(|signal| web(&config, signal));
                (Wire::Http([traces?, logs?, metrics?]), encoding)
            }
        };
        let headers = constant_headers(&config)?;
        let name = config.name.as_str().into();
        Ok(Exporter(Arc::new(Inner {
            name,
            encoding,
            headers,
            wire,
            resume: Resume::default(),
            delivered: Delivered::new(config.loop_memory),
            core,
            runtime,
            config,
        })))
    }

    /// Its id.
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// Its settings.
    pub fn config(&self) -> &ExporterConfig {
        &self.0.config
    }

    /// What it shares with all.
    pub fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    /// The runtime that it works on.
    pub fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    /// Partly accepted requests.
    pub fn resume(&self) -> &Resume {
        &self.0.resume
    }

    /// What its backend is known to have.
    pub fn delivered(&self) -> &Delivered {
        &self.0.delivered
    }

    /// How it wants its messages.
    pub fn rule(&self) -> Rule {
        let Inner {
            config, encoding, ..
        } = &*self.0;
        Rule {
            encoding: *encoding,
            max_spans: config.max_spans,
            max_bytes: config.max_bytes,
            merge: config.merge,
        }
    }

    /// Sends these requests; each is answered with what the backend answers. From any thread.
    pub fn push(&self, outgoing: Vec<Outgoing>) {
        for message in plan(outgoing, &self.rule()) {
            self.0.runtime.spawn(deliver(self.clone(), message));
        }
    }

    /// One message and the backend's word on it.
    pub async fn call(&self, call: Call) -> Reply {
        if call.by <= Instant::now() {
            return Reply::Refused(Refusal::new(Reason::Deadline, "no time left to send it on"));
        }
        match self.encoded(call).await {
            Ok(call) => self.exchange(call).await.unwrap_or_else(Reply::Refused),
            Err(refusal) => Reply::Refused(refusal),
        }
    }

    async fn encoded(&self, mut call: Call) -> Result<Call, Refusal> {
        let encoding = self.0.encoding;
        if call.encoding != Encoding::Identity || encoding == Encoding::Identity {
            return Ok(call);
        }
        let chunks = std::mem::take(&mut call.chunks);
        let size: usize = chunks.iter().map(Bytes::len).sum();
        let job = move || match &chunks[..] {
            [one] => compress(encoding, one),
            many => compress(encoding, &many.concat()),
        };
        let packed = if size <= self.0.core.config.inline_bytes {
            Some(job())
        } else {
            self.0.core.pool.run(job).await
        };
        let failed = || Refusal::new(Reason::Lost, format!("{} failed", encoding.name()));
        call.chunks = vec![packed.and_then(Result::ok).ok_or_else(failed)?];
        call.encoding = encoding;
        Ok(call)
    }

    async fn exchange(&self, call: Call) -> Result<Reply, Refusal> {
        match &self.0.wire {
            Wire::Grpc(_) if call.json => {
                let text = format!(
                    "{} in JSON cannot go on over gRPC; send protobuf, or use otlp_http",
                    call.signal.name()
                );
                Err(Refusal::new(Reason::Unsupported, text))
            }
            Wire::Grpc(channel) => {
                let (head, chunks) = self.grpc(channel, &call);
                let answered = channel.exchange(head, chunks, call.by).await?;
                Ok(verdict::grpc(channel.target().address(), &answered))
            }
            Wire::Http(webs) => {
                let web = &webs[call.signal.index()];
                let head = self.http(web, &call);
                let host = web.url.authority().map_or("", http::uri::Authority::as_str);
                let answered = web.exchange(head, call.chunks, call.by).await?;
                Ok(verdict::http(host, &answered))
            }
        }
    }

    fn head(&self, uri: Uri, version: Version, call: &Call) -> Request<()> {
        let mut head = Request::new(());
        *head.method_mut() = Method::POST;
        *head.uri_mut() = uri;
        *head.version_mut() = version;
        *head.headers_mut() = self.0.headers.clone();
        for (name, value) in call.headers.iter() {
            head.headers_mut().append(name, value.clone());
        }
        head
    }

    fn grpc(&self, channel: &Channel, call: &Call) -> (Request<()>, Vec<Bytes>) {
        let url = &channel.target().url;
        let mut parts = http::uri::Parts::default();
        parts.scheme = url.scheme().cloned();
        parts.authority = url.authority().cloned();
        parts.path_and_query = format!("/{}/Export", call.signal.service()).parse().ok();
        let mut head = self.head(
            Uri::from_parts(parts).unwrap_or_default(),
            Version::HTTP_2,
            call,
        );
        let headers = head.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/grpc"),
        );
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        let left = (call.by + GRACE)
            .saturating_duration_since(Instant::now())
            .as_millis()
            .clamp(1, 99_999_999);
        if let Ok(left) = HeaderValue::from_str(&format!("{left}m")) {
            headers.insert("grpc-timeout", left);
        }
        let packed = call.encoding != Encoding::Identity;
        if packed {
            let name = if call.encoding == Encoding::SnappyFramed {
                "snappy"
            } else {
                call.encoding.name()
            };
            headers.insert("grpc-encoding", HeaderValue::from_static(name));
        }
        let size = call.chunks.iter().map(Bytes::len).sum();
        (
            head,
            with_prefix(wire::prefix(size, packed), size, &call.chunks),
        )
    }

    fn http(&self, web: &Web, call: &Call) -> Request<()> {
        let mut head = self.head(web.url.clone(), Version::HTTP_2, call);
        let headers = head.headers_mut();
        let kind = if call.json {
            "application/json"
        } else {
            "application/x-protobuf"
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if call.encoding != Encoding::Identity {
            let name = if self.0.config.compression == "zlib" {
                "zlib"
            } else {
                call.encoding.name()
            };
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        if let Some(host) = web
            .url
            .authority()
            .and_then(|host| HeaderValue::from_str(host.as_str()).ok())
        {
            headers.insert(header::HOST, host);
        }
        let size: usize = call.chunks.iter().map(Bytes::len).sum();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
        head
    }
}

/// Small bodies are copied behind their prefix, so that they leave in one frame.
fn with_prefix(prefix: [u8; 5], size: usize, chunks: &[Bytes]) -> Vec<Bytes> {
    if size <= 16 << 10 {
        let mut whole = Vec::with_capacity(5 + size);
        whole.extend_from_slice(&prefix);
        chunks
            .iter()
            .for_each(|chunk| whole.extend_from_slice(chunk));
        return vec![whole.into()];
    }
    std::iter::once(Bytes::copy_from_slice(&prefix))
        .chain(chunks.iter().cloned())
        .collect()
}
