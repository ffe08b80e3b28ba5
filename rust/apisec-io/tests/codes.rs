//! Every row of the table of codes, on both transports.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use apisec_io::{
    admit::Route,
    compress::{Encoding, compress},
    otlp::{Code, Transport},
    reply::{Reason, Refusal, Reply},
    runtime::{Io, Server},
};
use bytes::Bytes;
use common::*;
use serde_json::{Value, json};

struct Bench {
    engine: EngineThread,
    server: Server,
    _io: Arc<Io>,
}

fn bench_with(config: Value, io: Value, rule: Rule) -> Bench {
    let io = io_with(io);
    let server = server(&io, config, &Route::Engine(None));
    Bench {
        engine: engine(&io, None, true, rule),
        server,
        _io: io,
    }
}

fn bench() -> Bench {
    bench_with(ports(), json!({}), Arc::new(|_| Some(Reply::Accepted)))
}

fn answering(refusal: Refusal) -> Bench {
    bench_with(
        ports(),
        json!({}),
        Arc::new(move |_| Some(Reply::Refused(refusal.clone()))),
    )
}

impl Bench {
    fn http(&self) -> SocketAddr {
        address(&self.server, Transport::Http)
    }

    fn post(&self, path: &str, headers: &str, body: &[u8]) -> Got {
        let separator = if headers.is_empty() { "" } else { "\r\n" };
        runtime().block_on(http1(
            self.http(),
            &format!("POST {path} HTTP/1.1{separator}{headers}"),
            body,
        ))
    }

    fn proto(&self, headers: &str, body: &[u8]) -> Got {
        self.post(
            "/v1/traces",
            &format!("content-type: application/x-protobuf{headers}"),
            body,
        )
    }

    fn json(&self, body: &[u8]) -> Got {
        self.post(
            "/v1/traces",
            "content-type: application/json; charset=utf-8",
            body,
        )
    }

    fn grpc(&self, headers: &[(&str, &str)], body: Bytes) -> Got {
        self.grpc_at(TRACES, headers, body)
    }

    fn grpc_at(&self, path: &str, headers: &[(&str, &str)], body: Bytes) -> Got {
        let mut all = vec![("content-type", "application/grpc"), ("te", "trailers")];
        all.extend(headers);
        runtime().block_on(async {
            exchange(
                &connect(address(&self.server, Transport::Grpc)).await,
                path,
                &all,
                body,
            )
            .await
            .unwrap()
        })
    }
}

fn text(got: &Got) -> String {
    String::from_utf8_lossy(&got.body).into_owned()
}

fn kind(got: &Got) -> &str {
    got.headers["content-type"].to_str().unwrap()
}

#[test]
fn an_empty_request_is_taken_but_empty_json_is_not() {
    let bench = bench();
    let got = bench.grpc(&[], framed(b"", false));
    assert_eq!((got.code(), &got.body[..]), (0, &b"\0\0\0\0\0"[..]));
    let got = bench.proto("", b"");
    assert_eq!(
        (got.status, kind(&got), got.body.len()),
        (200, "application/x-protobuf", 0)
    );
    let got = bench.json(b"{}");
    assert_eq!(
        (got.status, kind(&got), text(&got).as_str()),
        (200, "application/json", "{}")
    );
    let got = bench.json(b"");
    assert_eq!((got.status, kind(&got)), (400, "application/json"));
    assert!(text(&got).contains("\"code\":3"));
}

#[test]
fn malformed_bytes_are_13_and_400() {
    let bench = bench();
    assert_eq!(bench.grpc(&[], framed(b"\xff\xff", false)).code(), 13);
    let got = bench.proto("", b"\xff\xff");
    assert_eq!(
        (got.status, kind(&got), &got.body[..3]),
        (400, "application/x-protobuf", &b"\x08\x03\x12"[..])
    );
    assert_eq!(
        bench
            .grpc(&[], Bytes::from_static(b"\0\0\0\0\x09abc"))
            .code(),
        13,
        "cut short"
    );
    assert_eq!(
        bench
            .grpc(&[], Bytes::from_static(b"\0\0\0\0\x01abc"))
            .code(),
        13,
        "more than one message"
    );
    assert_eq!(
        bench.grpc(&[], Bytes::from_static(b"\x07\0\0\0\0")).code(),
        13,
        "flag"
    );
    assert_eq!(bench.grpc(&[], Bytes::new()).code(), 13, "no message");
}

#[test]
fn media_types_methods_and_paths_are_refused_as_the_collector_does() {
    let bench = bench();
    let supported =
        "415 unsupported media type, supported: [application/json, application/x-protobuf]";
    for headers in ["content-type: text/html", ""] {
        let got = bench.post("/v1/traces", headers, b"x");
        assert_eq!(
            (got.status, kind(&got), text(&got).as_str()),
            (415, "text/plain", supported)
        );
    }
    let got = runtime().block_on(http1(bench.http(), "GET /v1/traces HTTP/1.1", b""));
    assert_eq!(
        (got.status, text(&got).as_str()),
        (405, "405 method not allowed, supported: [POST]")
    );
    assert_eq!(
        bench
            .post("/v1/trace", "content-type: application/json", b"{}")
            .status,
        404
    );
    let got = bench.grpc_at(
        "/opentelemetry.proto.collector.profiles.v1.ProfilesService/Export",
        &[],
        framed(b"", false),
    );
    assert_eq!(got.code(), 12);
    assert!(got.message().starts_with("unknown service"));
    assert_eq!(
        bench
            .grpc_at(
                "/opentelemetry.proto.collector.trace.v1.TraceService/Import",
                &[],
                framed(b"", false)
            )
            .code(),
        12
    );
    assert_eq!(
        bench
            .grpc(&[("content-type", "text/html")], framed(b"", false))
            .code(),
        0,
        "the first content type counts"
    );
}

#[test]
fn a_signal_without_a_pipeline_is_unknown() {
    let io = io();
    let config = serde_json::from_value(ports()).unwrap();
    let server = io
        .server(config, [Some(Route::Engine(None)), None, None])
        .unwrap();
    let bench = Bench {
        engine: engine(&io, None, false, Arc::new(|_| Some(Reply::Accepted))),
        server,
        _io: io,
    };
    let got = bench.grpc_at(
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        &[],
        framed(b"", false),
    );
    assert_eq!(
        (got.code(), got.message().as_str()),
        (
            12,
            "unknown service opentelemetry.proto.collector.logs.v1.LogsService"
        )
    );
    assert_eq!(
        bench
            .post("/v1/logs", "content-type: application/json", b"{}")
            .status,
        404
    );
    assert_eq!(bench.json(b"{}").status, 200);
}

#[test]
fn every_encoding_is_read_on_both_transports() {
    let bench = bench();
    let message = body(300, 500);
    for (name, encoding) in [
        ("gzip", Encoding::Gzip),
        ("zstd", Encoding::Zstd),
        ("deflate", Encoding::Zlib),
        ("snappy", Encoding::SnappyFramed),
    ] {
        let packed = compress(encoding, &message).unwrap();
        assert_eq!(
            bench
                .grpc(&[("grpc-encoding", name)], framed(&packed, true))
                .code(),
            0,
            "{name}"
        );
        assert_eq!(
            bench
                .proto(&format!("\r\ncontent-encoding: {name}"), &packed)
                .status,
            200,
            "{name}"
        );
    }
    let block = compress(Encoding::Snappy, &message).unwrap();
    assert_eq!(
        bench.proto("\r\ncontent-encoding: snappy", &block).status,
        200
    );
    assert_eq!(
        bench
            .proto(
                "\r\ncontent-encoding: zlib",
                &compress(Encoding::Zlib, &message).unwrap()
            )
            .status,
        200
    );
    assert_eq!(
        bench
            .grpc(&[("grpc-encoding", "gzip")], framed(&message, false))
            .code(),
        0,
        "a message may be plain"
    );
    let seen = bench.engine.seen.lock().unwrap();
    assert_eq!(seen.len(), 11);
    assert!(
        seen.iter()
            .all(|seen| seen.bytes == message && seen.spans == 300)
    );
}

#[test]
fn broken_and_unknown_encodings() {
    let bench = bench();
    assert_eq!(
        bench
            .grpc(&[("grpc-encoding", "gzip")], framed(b"rubbish", true))
            .code(),
        13
    );
    let got = bench.proto("\r\ncontent-encoding: gzip", b"rubbish");
    assert_eq!((got.status, &got.body[..2]), (400, &b"\x08\x03"[..]));
    assert!(text(&got).contains("gzip: invalid header"));
    let got = bench.grpc(&[("grpc-encoding", "br")], framed(b"x", true));
    assert_eq!(got.code(), 12);
    assert!(
        got.message()
            .contains("Decompressor is not installed for grpc-encoding \"br\"")
    );
    assert_eq!(bench.proto("\r\ncontent-encoding: br", b"x").status, 400);
    assert_eq!(
        bench.grpc(&[], framed(b"x", true)).code(),
        13,
        "compressed without a name"
    );
}

#[test]
fn too_large_on_the_wire_or_decompressed_is_8_and_413() {
    let port = json!({"endpoint": "127.0.0.1:0", "max_wire_bytes": 100_000, "max_bytes": 200_000});
    let bench = bench_with(
        json!({"name": "otlp", "grpc": port, "http": port}),
        json!({}),
        Arc::new(|_| Some(Reply::Accepted)),
    );
    let (fits, large) = (body(90, 1000), body(150, 1000));
    assert_eq!(bench.grpc(&[], framed(&fits, false)).code(), 0);
    let got = bench.grpc(&[], framed(&large, false));
    assert_eq!(got.code(), 8);
    assert!(
        got.message().contains("larger than max"),
        "{}",
        got.message()
    );
    assert!(
        !got.headers.contains_key("grpc-status-details-bin"),
        "not to be sent again"
    );
    let got = bench.proto("", &large);
    assert_eq!((got.status, &got.body[..2]), (413, &b"\x08\x08"[..]));
    assert!(!got.headers.contains_key("retry-after"));
    for encoding in [
        Encoding::Gzip,
        Encoding::Zstd,
        Encoding::Zlib,
        Encoding::SnappyFramed,
    ] {
        let bomb = compress(encoding, &vec![0; 1 << 20]).unwrap();
        let name = if encoding == Encoding::SnappyFramed {
            "snappy"
        } else {
            encoding.name()
        };
        assert_eq!(
            bench
                .grpc(&[("grpc-encoding", name)], framed(&bomb, true))
                .code(),
            8,
            "{name}"
        );
        assert_eq!(
            bench
                .proto(&format!("\r\ncontent-encoding: {name}"), &bomb)
                .status,
            413,
            "{name}"
        );
    }
}

#[test]
fn too_many_spans_is_8_and_413() {
    let bench = bench();
    let many = body(131_073, 0);
    assert_eq!(bench.grpc(&[], framed(&many, false)).code(), 8);
    assert_eq!(bench.proto("", &many).status, 413);
}

#[test]
fn credentials_are_asked_for() {
    let mut config = ports();
    config["authorization"] = json!(["Bearer secret"]);
    let bench = bench_with(config, json!({}), Arc::new(|_| Some(Reply::Accepted)));
    assert_eq!(bench.grpc(&[], framed(b"", false)).code(), 16);
    assert_eq!(
        bench
            .grpc(&[("authorization", "Bearer secreT")], framed(b"", false))
            .code(),
        16
    );
    assert_eq!(
        bench
            .grpc(&[("authorization", "Bearer secret")], framed(b"", false))
            .code(),
        0
    );
    let got = bench.proto("", b"");
    assert_eq!((got.status, &got.body[..2]), (401, &b"\x08\x10"[..]));
    assert_eq!(
        bench.proto("\r\nauthorization: Bearer secret", b"").status,
        200
    );
}

#[test]
fn pressure_is_unavailable_with_a_delay() {
    let bench = bench_with(
        ports(),
        json!({"in_flight_bytes": 50_000}),
        Arc::new(|_| Some(Reply::Accepted)),
    );
    let got = bench.grpc(&[], framed(&body(100, 1000), false));
    assert_eq!(got.code(), 14);
    assert_eq!(got.headers["google.rpc.retryinfo-bin"], "CgIIAQ");
    assert!(got.headers.contains_key("grpc-status-details-bin"));
    let got = bench.proto("", &body(100, 1000));
    assert_eq!(
        (got.status, got.headers["retry-after"].to_str().unwrap()),
        (503, "1")
    );
}

#[test]
fn a_refusal_from_behind_is_passed_on_by_its_code() {
    let rows = [
        (1, 503),
        (4, 503),
        (10, 503),
        (11, 503),
        (14, 503),
        (15, 503),
        (8, 429),
        (3, 400),
        (16, 401),
        (7, 403),
        (12, 404),
        (13, 500),
        (2, 500),
        (5, 500),
    ];
    for (code, status) in rows {
        let bench = answering(Refusal::passed(Code(code), "so ä", None));
        let got = bench.grpc(&[], framed(b"", false));
        assert_eq!(
            (got.code(), got.message().as_str()),
            (i32::from(code), "so %C3%A4")
        );
        assert!(!got.headers.contains_key("google.rpc.retryinfo-bin"));
        let got = bench.proto("", b"");
        assert_eq!(got.status, status);
        assert_eq!(
            &got.body[..],
            [&[8, code, 0x12, 5][..], "so ä".as_bytes()].concat()
        );
        assert!(!got.headers.contains_key("retry-after"));
    }
    let bench = answering(Refusal::passed(
        Code::UNAVAILABLE,
        "later",
        Some(Duration::from_millis(2500)),
    ));
    assert_eq!(bench.proto("", b"").headers["retry-after"], "3");
    assert_eq!(
        bench.grpc(&[], framed(b"", false)).headers["google.rpc.retryinfo-bin"],
        "CggIAhCAyrXuAQ"
    );
}

#[test]
fn a_partial_success_is_told_in_the_encoding_of_the_request() {
    let bench = bench_with(
        ports(),
        json!({}),
        Arc::new(|_| {
            Some(Reply::Partial {
                rejected: 3,
                message: "no".into(),
            })
        }),
    );
    assert_eq!(
        &bench.grpc(&[], framed(b"", false)).body[5..],
        b"\x0a\x06\x08\x03\x12\x02no"
    );
    assert_eq!(
        &bench.proto("", b"").body[..],
        b"\x0a\x06\x08\x03\x12\x02no"
    );
    let value: Value = serde_json::from_slice(&bench.json(b"{}").body).unwrap();
    assert_eq!(
        value,
        json!({"partialSuccess": {"rejectedSpans": "3", "errorMessage": "no"}})
    );
}

#[test]
fn a_request_that_the_engine_drops_may_come_again() {
    let refusal = Refusal::new(Reason::Lost, "");
    assert!(refusal.retryable());
    let bench = bench_with(ports(), json!({}), Arc::new(|_| None));
    let got = bench.grpc(&[], framed(b"", false));
    assert_eq!(got.code(), 14);
    assert!(got.headers.contains_key("google.rpc.retryinfo-bin"));
}

#[test]
fn http_takes_http2_json_and_chunks() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let bench = bench();
    let got = runtime().block_on(async {
        let sender = connect(bench.http()).await;
        exchange(
            &sender,
            "/v1/logs",
            &[("content-type", "application/x-protobuf")],
            body(3, 20),
        )
        .await
        .unwrap()
    });
    assert_eq!(got.status, 200);
    let got = runtime().block_on(async {
        let mut socket = tokio::net::TcpStream::connect(bench.http()).await.unwrap();
        let head = b"POST /v1/traces HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/x-protobuf\r\ntransfer-encoding: chunked\r\n\r\n";
        socket.write_all(head).await.unwrap();
        for _ in 0..2 {
            socket.write_all(b"4\r\n\x0a\x02ab\r\n").await.unwrap();
        }
        socket.write_all(b"0\r\n\r\n").await.unwrap();
        let mut raw = Vec::new();
        socket.read_to_end(&mut raw).await.unwrap();
        parse(&raw)
    });
    assert_eq!(got.status, 200);
    let seen = bench.engine.seen.lock().unwrap();
    assert_eq!(
        seen.iter().map(|seen| seen.spans).collect::<Vec<_>>(),
        [3, 2]
    );
}
