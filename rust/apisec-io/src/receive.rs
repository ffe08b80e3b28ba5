//! One HTTP exchange on a port: is it OTLP, of which signal, in which form; then body, engine, reply.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request as HttpRequest, Response, StatusCode,
    header,
};
use hyper::body::Incoming;
use tokio::sync::oneshot;

use crate::{
    admit::{Core, Routes, admit},
    answer::{self, Answer},
    body::{self, Bounds},
    compress::Encoding,
    config::PortConfig,
    counters::Key,
    limits::{Held, Meter},
    otlp::{Signal, Transport, timeout},
    reply::{Reason, Refusal, Reply},
    request::{Envelope, Original, Passed, lost},
};

/// What a request costs beside its body.
const COST: usize = 1024;
/// A reply is waited for no longer than this.
const LONGEST: Duration = Duration::from_secs(60);

/// What a receiver knows beside its ports.
#[derive(Debug)]
pub struct Receiver {
    /// Id, for counters.
    pub name: Arc<str>,
    /// Headers that go on to the backend.
    pub metadata_keys: Vec<HeaderName>,
    /// Values of `authorization` that are let in; none: anybody is.
    pub authorization: Vec<String>,
    /// Where each signal goes.
    pub routes: Routes,
    /// What all share.
    pub core: Arc<Core>,
}

/// One port.
#[derive(Debug)]
pub struct Port {
    /// Its receiver.
    pub receiver: Arc<Receiver>,
    /// What it speaks.
    pub transport: Transport,
    /// Its settings.
    pub config: PortConfig,
}

/// One request's way through a port.
struct Exchange<'a> {
    port: &'a Port,
    meter: &'a Arc<Meter>,
    signal: Signal,
    received: Instant,
    received_ns: u64,
}

/// Answers one request.
pub async fn handle(
    port: Arc<Port>,
    meter: Arc<Meter>,
    request: HttpRequest<Incoming>,
) -> Response<Answer> {
    meter.request();
    match port.transport {
        Transport::Grpc => grpc(&port, &meter, request).await,
        Transport::Http => http(&port, &meter, request).await,
    }
}

fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> &str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// A media type without parameters, in lower case.
fn media_type(headers: &HeaderMap) -> String {
    text(headers, header::CONTENT_TYPE)
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

fn now_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

async fn grpc(port: &Port, meter: &Arc<Meter>, request: HttpRequest<Incoming>) -> Response<Answer> {
    let kind = media_type(request.headers());
    if kind != "application/grpc" && !kind.starts_with("application/grpc+") {
        return answer::text(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "invalid gRPC request content-type",
        );
    }
    if request.method() != Method::POST {
        return answer::text(
            StatusCode::METHOD_NOT_ALLOWED,
            "invalid gRPC request method",
        );
    }
    let signal = match grpc_signal(port, request.uri().path()) {
        Ok(signal) => signal,
        Err(message) => {
            return answer::grpc(&Reply::Refused(Refusal::new(Reason::Unsupported, message)));
        }
    };
    let exchange = Exchange::new(port, meter, signal);
    let reply = exchange.grpc(request).await;
    answer::grpc(&reply)
}

fn grpc_signal(port: &Port, path: &str) -> Result<Signal, String> {
    let (service, method) = path
        .strip_prefix('/')
        .and_then(|path| path.rsplit_once('/'))
        .unwrap_or(("", ""));
    let routes = &port.receiver.routes;
    let signal = Signal::ALL
        .into_iter()
        .find(|signal| signal.service() == service && routes[signal.index()].is_some());
    let signal = signal.ok_or_else(|| format!("unknown service {service}"))?;
    if method == "Export" {
        Ok(signal)
    } else {
        Err(format!("unknown method {method} for service {service}"))
    }
}

async fn http(port: &Port, meter: &Arc<Meter>, request: HttpRequest<Incoming>) -> Response<Answer> {
    let config = &port.config;
    let paths = [
        &config.traces_url_path,
        &config.logs_url_path,
        &config.metrics_url_path,
    ];
    let path = request.uri().path();
    let found = Signal::ALL.into_iter().find(|signal| {
        paths[signal.index()] == path && port.receiver.routes[signal.index()].is_some()
    });
    let Some(signal) = found else {
        return answer::text(StatusCode::NOT_FOUND, "404 page not found\n");
    };
    if request.method() != Method::POST {
        return answer::text(
            StatusCode::METHOD_NOT_ALLOWED,
            "405 method not allowed, supported: [POST]",
        );
    }
    let json = match media_type(request.headers()).as_str() {
        "application/json" => true,
        "application/x-protobuf" => false,
        _ => {
            let text =
                "415 unsupported media type, supported: [application/json, application/x-protobuf]";
            return answer::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, text);
        }
    };
    let exchange = Exchange::new(port, meter, signal);
    let reply = exchange.http(request, json).await;
    answer::http(signal, json, &reply)
}

impl<'a> Exchange<'a> {
    fn new(port: &'a Port, meter: &'a Arc<Meter>, signal: Signal) -> Exchange<'a> {
        Exchange {
            port,
            meter,
            signal,
            received: Instant::now(),
            received_ns: now_ns(),
        }
    }

    async fn grpc(&self, request: HttpRequest<Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        let deadline = timeout(text(&head.headers, "grpc-timeout"))
            .and_then(|left| self.received.checked_add(left));
        let held = self
            .enter(&head.headers)
            .and_then(|held| Ok((held, grpc_encoding(&head.headers)?)));
        let (mut held, encoding) = match held {
            Ok(entered) => entered,
            Err(refusal) => return self.refused(refusal),
        };
        let cap = self.port.config.max_wire_bytes;
        match body::grpc(body, self.bounds(cap, &mut held)).await {
            Ok((_, true)) if encoding == Encoding::Identity => self.refused(Refusal::new(
                Reason::Malformed,
                "compressed message without grpc-encoding",
            )),
            Ok((bytes, packed)) => {
                let encoding = if packed { encoding } else { Encoding::Identity };
                self.answered(
                    &head.headers,
                    Original {
                        bytes,
                        encoding,
                        json: false,
                    },
                    deadline,
                    held,
                )
                .await
            }
            Err(refusal) => self.refused(refusal),
        }
    }

    async fn http(&self, request: HttpRequest<Incoming>, json: bool) -> Reply {
        let (head, body) = request.into_parts();
        let entered = self
            .enter(&head.headers)
            .and_then(|held| Ok((held, http_encoding(&head.headers)?)));
        let (mut held, encoding) = match entered {
            Ok(entered) => entered,
            Err(refusal) => return self.refused(refusal),
        };
        let declared = text(&head.headers, header::CONTENT_LENGTH).parse().ok();
        let bounds = self.bounds(self.port.config.max_wire_bytes, &mut held);
        match body::http(body, declared, bounds).await {
            Ok(bytes) if json && bytes.is_empty() => {
                self.refused(Refusal::new(Reason::Empty, "the body is empty"))
            }
            Ok(bytes) => {
                let encoding = if bytes.is_empty() {
                    Encoding::Identity
                } else {
                    encoding
                };
                self.answered(
                    &head.headers,
                    Original {
                        bytes,
                        encoding,
                        json,
                    },
                    None,
                    held,
                )
                .await
            }
            Err(refusal) => self.refused(refusal),
        }
    }

    fn bounds<'b>(&self, cap: usize, held: &'b mut Held) -> Bounds<'b>
    where
        'a: 'b,
    {
        Bounds {
            cap,
            within: self.port.config.whole_body.0,
            held,
            meter: self.meter,
        }
    }

    /// Credentials, and a first share of the bytes in flight.
    fn enter(&self, headers: &HeaderMap) -> Result<Held, Refusal> {
        let receiver = &self.port.receiver;
        let shown = text(headers, header::AUTHORIZATION);
        let known = receiver
            .authorization
            .iter()
            .fold(false, |known, value| known | same(value, shown));
        if !receiver.authorization.is_empty() && !known {
            return Err(Refusal::new(
                Reason::Unauthenticated,
                "missing or wrong credentials in authorization",
            ));
        }
        let held = receiver.core.flight.hold(COST);
        held.ok_or_else(|| Refusal::new(Reason::Pressure, "too many bytes in flight"))
    }

    async fn answered(
        &self,
        headers: &HeaderMap,
        original: Original,
        deadline: Option<Instant>,
        held: Held,
    ) -> Reply {
        let receiver = &self.port.receiver;
        let Some(route) = &receiver.routes[self.signal.index()] else {
            return self.refused(Refusal::new(Reason::Unsupported, "no pipeline"));
        };
        let (send, receive) = oneshot::channel();
        let envelope = Envelope {
            signal: self.signal,
            transport: self.port.transport,
            receiver: receiver.name.clone(),
            original,
            headers: passed(&receiver.metadata_keys, headers),
            received: self.received,
            received_ns: self.received_ns,
            deadline,
            reply: send,
            held,
        };
        admit(&receiver.core, route, self.port.config.max_bytes, envelope);
        let until = deadline
            .unwrap_or(self.received + LONGEST)
            .min(self.received + LONGEST);
        let (reply, spans) = match tokio::time::timeout_at(until.into(), receive).await {
            Ok(done) => done.unwrap_or_else(|_| (lost(), 0)),
            Err(_) => (lost(), 0),
        };
        self.count(&reply, spans);
        reply
    }

    fn refused(&self, refusal: Refusal) -> Reply {
        let reply = Reply::Refused(refusal);
        self.count(&reply, 0);
        reply
    }

    fn count(&self, reply: &Reply, items: u32) {
        let (requests, counted, reason) = match reply {
            Reply::Refused(refusal) => (
                "receiver_refused_requests",
                "receiver_refused_items",
                refusal.reason.name(),
            ),
            _ => ("receiver_accepted_requests", "receiver_accepted_items", ""),
        };
        let receiver = &self.port.receiver;
        let (transport, signal) = (self.port.transport.name(), self.signal.name());
        for (name, count) in [(requests, 1), (counted, u64::from(items))] {
            receiver.core.counters.add(
                Key {
                    name,
                    owner: receiver.name.clone(),
                    transport,
                    signal,
                    reason,
                },
                count,
            );
        }
    }
}

/// Compares without telling by its time how much is right.
fn same(known: &str, shown: &str) -> bool {
    let differ = known
        .bytes()
        .zip(shown.bytes())
        .fold(0, |differ, (a, b)| differ | (a ^ b));
    known.len() == shown.len() && differ == 0
}

fn passed(keys: &[HeaderName], headers: &HeaderMap) -> Passed {
    let values = |name: &HeaderName| {
        headers
            .get_all(name)
            .iter()
            .map(|value| (name.clone(), value.clone()))
            .collect::<Vec<(HeaderName, HeaderValue)>>()
    };
    keys.iter().flat_map(values).collect()
}

fn grpc_encoding(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let name = text(headers, "grpc-encoding");
    // On gRPC only these names exist; its snappy is framed.
    let known = matches!(
        name,
        "" | "identity" | "gzip" | "zstd" | "snappy" | "deflate"
    )
    .then(|| Encoding::named(name))
    .flatten();
    let known = known.map(Encoding::on_grpc);
    known.ok_or_else(|| {
        Refusal::new(
            Reason::Encoding,
            format!("grpc: Decompressor is not installed for grpc-encoding \"{name}\""),
        )
    })
}

fn http_encoding(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let name = text(headers, header::CONTENT_ENCODING)
        .trim()
        .to_ascii_lowercase();
    Encoding::named(&name).ok_or_else(|| {
        Refusal::new(
            Reason::Encoding,
            format!("unsupported Content-Encoding: {name}"),
        )
    })
}
