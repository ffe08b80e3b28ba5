//! Senders that do not mean well, or do not do well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use apisec_io::{
    admit::Route,
    otlp::Transport,
    reply::Reply,
    runtime::{Io, Server},
};
use common::*;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

fn quick() -> Value {
    let port =
        json!({"endpoint": "127.0.0.1:0", "first_request": 0.4, "whole_body": 0.5, "idle": 0.6});
    json!({"name": "otlp", "grpc": port, "http": port})
}

struct Bench {
    _engine: EngineThread,
    server: Server,
    io: Arc<Io>,
}

fn bench(config: Value, io: Value) -> Bench {
    let io = io_with(io);
    let server = server(&io, config, &Route::Engine(None));
    Bench {
        _engine: engine(&io, None, false, Arc::new(|_| Some(Reply::Accepted))),
        server,
        io,
    }
}

impl Bench {
    fn port(&self, transport: Transport) -> std::net::SocketAddr {
        address(&self.server, transport)
    }

    fn counted(&self, name: &str, reason: &str) -> u64 {
        let counters = self.io.core().counters.read();
        counters
            .iter()
            .filter(|(key, _)| key.name == name && key.reason == reason)
            .map(|(_, count)| *count)
            .sum()
    }

    fn still_serves(&self) {
        let got = runtime().block_on(async {
            grpc(&connect(self.port(Transport::Grpc)).await, &body(2, 10))
                .await
                .unwrap()
        });
        assert_eq!(got.code(), 0);
    }
}

/// Sends, then waits for the end of the connection.
async fn closes(address: std::net::SocketAddr, sent: &[u8]) -> Duration {
    let begin = Instant::now();
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(sent).await.unwrap();
    let mut rest = Vec::new();
    drop(
        tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut rest))
            .await
            .expect("still open after 5 s"),
    );
    begin.elapsed()
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[test]
fn a_connection_that_asks_nothing_is_closed() {
    let bench = bench(quick(), json!({}));
    runtime().block_on(async {
        for transport in [Transport::Grpc, Transport::Http] {
            for sent in [&b""[..], b"PRI", PREFACE] {
                let took = closes(bench.port(transport), sent).await;
                assert!(
                    took > Duration::from_millis(300),
                    "{transport:?} {sent:?} {took:?}"
                );
            }
        }
        closes(
            bench.port(Transport::Http),
            b"POST /v1/traces HTTP/1.1\r\nhost",
        )
        .await;
        closes(
            bench.port(Transport::Grpc),
            b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        )
        .await;
    });
    assert!(bench.counted("receiver_connections", "no_request_in_time") >= 6);
    bench.still_serves();
}

#[test]
fn a_body_that_never_ends_is_refused() {
    let bench = bench(quick(), json!({}));
    runtime().block_on(async {
        let sender = connect(bench.port(Transport::Grpc)).await;
        let request = http::Request::post(format!("http://test{TRACES}")).header("content-type", "application/grpc");
        let (response, mut stream) = sender.ready().await.unwrap().send_request(request.body(()).unwrap(), false).unwrap();
        stream.send_data(framed(&body(10, 10), false).slice(..20), false).unwrap();
        let head = tokio::time::timeout(Duration::from_secs(3), response).await.expect("no answer").unwrap();
        assert_eq!(head.headers()["grpc-status"], "14");
        let head = b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 100\r\n\r\nab";
        let mut socket = TcpStream::connect(bench.port(Transport::Http)).await.unwrap();
        socket.write_all(head).await.unwrap();
        let mut raw = vec![0; 12];
        tokio::time::timeout(Duration::from_secs(3), socket.read_exact(&mut raw)).await.expect("no answer").unwrap();
        assert_eq!(raw, b"HTTP/1.1 503");
    });
    assert_eq!(bench.counted("receiver_refused_requests", "slow_body"), 2);
    assert_eq!(bench.io.core().flight.used(), 0);
}

#[test]
fn a_declared_size_is_refused_before_it_is_read() {
    let bench = bench(ports(), json!({}));
    runtime().block_on(async {
        let sender = connect(bench.port(Transport::Grpc)).await;
        let request = http::Request::post(format!("http://test{TRACES}")).header("content-type", "application/grpc");
        let (response, mut stream) = sender.ready().await.unwrap().send_request(request.body(()).unwrap(), false).unwrap();
        stream.send_data(vec![0, 0xff, 0xff, 0xff, 0xff].into(), false).unwrap();
        assert_eq!(response.await.unwrap().headers()["grpc-status"], "8");
        let head = b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 99999999999\r\n\r\n";
        let mut socket = TcpStream::connect(bench.port(Transport::Http)).await.unwrap();
        socket.write_all(head).await.unwrap();
        let mut raw = vec![0; 12];
        socket.read_exact(&mut raw).await.unwrap();
        assert_eq!(raw, b"HTTP/1.1 413");
    });
    bench.still_serves();
}

#[test]
fn headers_are_bounded() {
    let bench = bench(ports(), json!({}));
    runtime().block_on(async {
        let sender = connect(bench.port(Transport::Grpc)).await;
        let long = "x".repeat(20_000);
        let got = exchange(
            &sender,
            TRACES,
            &[("content-type", "application/grpc"), ("x-long", &long)],
            framed(b"", false),
        )
        .await;
        assert!(got.map_or(true, |got| got.status == 431));
        let flood = format!(
            "POST /v1/traces HTTP/1.1\r\nhost: x\r\n{}",
            "x-long: y\r\n".repeat(60_000)
        );
        let mut socket = TcpStream::connect(bench.port(Transport::Http))
            .await
            .unwrap();
        drop(socket.write_all(flood.as_bytes()).await);
        let mut raw = Vec::new();
        drop(
            tokio::time::timeout(Duration::from_secs(3), socket.read_to_end(&mut raw))
                .await
                .expect("still open"),
        );
        assert!(raw.is_empty() || raw.starts_with(b"HTTP/1.1 431"));
    });
    bench.still_serves();
}

#[test]
fn a_flood_of_pings_ends_the_connection() {
    let bench = bench(ports(), json!({}));
    let ended = runtime().block_on(async {
        let mut socket = TcpStream::connect(bench.port(Transport::Grpc))
            .await
            .unwrap();
        socket.write_all(PREFACE).await.unwrap();
        let pings = b"\0\0\x08\x06\0\0\0\0\0pingpong".repeat(4096);
        let (mut read, mut write) = socket.into_split();
        let reader = tokio::spawn(async move {
            let mut sink = vec![0; 65_536];
            while read.read(&mut sink).await.is_ok_and(|count| count > 0) {}
        });
        let mut sent = 0;
        while sent < 64 << 20 && write.write_all(&pings).await.is_ok() {
            sent += pings.len();
        }
        reader.abort();
        sent
    });
    assert!(ended < 32 << 20, "{ended} bytes of PING were taken");
    bench.still_serves();
}

#[test]
fn connections_are_bounded() {
    let bench = bench(ports(), json!({"connections": 3}));
    runtime().block_on(async {
        let mut kept = Vec::new();
        for _ in 0..3 {
            let sender = connect(bench.port(Transport::Grpc)).await;
            assert_eq!(grpc(&sender, &body(1, 1)).await.unwrap().code(), 0);
            kept.push(sender);
        }
        closes(bench.port(Transport::Grpc), b"").await;
    });
    assert_eq!(bench.counted("receiver_connections", "over_limit"), 1);
    std::thread::sleep(Duration::from_millis(300));
    bench.still_serves();
}

#[test]
fn rubbish_is_survived() {
    let bench = bench(quick(), json!({}));
    runtime().block_on(async {
        for seed in 0..200u64 {
            let rubbish: Vec<u8> = (0..500u64)
                .map(|i| ((seed + 1).wrapping_mul(i + 7).wrapping_mul(0x9E37_79B9) >> 13) as u8)
                .collect();
            for (transport, head) in [
                (Transport::Grpc, PREFACE),
                (Transport::Http, PREFACE),
                (Transport::Http, b"POST /v1/traces HTTP/1.1\r\n"),
            ] {
                let mut socket = TcpStream::connect(bench.port(transport)).await.unwrap();
                drop(socket.write_all(head).await);
                drop(socket.write_all(&rubbish).await);
            }
        }
    });
    bench.still_serves();
}

#[test]
fn a_connection_of_age_is_asked_to_go() {
    let port = json!({"endpoint": "127.0.0.1:0", "max_connection_age": 0.3, "max_connection_age_grace": 0.3});
    let bench = bench(json!({"name": "otlp", "grpc": port}), json!({}));
    runtime().block_on(async {
        let sender = connect(bench.port(Transport::Grpc)).await;
        assert_eq!(grpc(&sender, &body(1, 1)).await.unwrap().code(), 0);
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(grpc(&sender, &body(1, 1)).await.is_err());
    });
    bench.still_serves();
}

#[test]
fn ports_that_cannot_be_had_say_why() {
    let bench = bench(ports(), json!({}));
    let taken = bench.port(Transport::Grpc).to_string();
    let start = |endpoint: &str| {
        let config =
            serde_json::from_value(json!({"name": "otlp", "grpc": {"endpoint": endpoint}}))
                .unwrap();
        bench
            .io
            .server(config, [Some(Route::Engine(None)), None, None])
            .err()
            .unwrap()
            .to_string()
    };
    let said = start(&taken);
    assert!(
        said.contains(&taken) && said.contains("another process listens there"),
        "{said}"
    );
    let said = start("0.0.0.0:0");
    assert!(
        said.contains("plain text") && said.contains("insecure: true"),
        "{said}"
    );
    assert!(start(":0").contains("plain text"));
    assert!(start("nonsense").contains("nonsense"));
}

#[test]
fn a_server_drains_and_finishes_what_it_has() {
    let io = io();
    let server = server(&io, ports(), &Route::Engine(None));
    let slow: Rule = Arc::new(|_| {
        std::thread::sleep(Duration::from_millis(300));
        Some(Reply::Accepted)
    });
    let _engine = engine(&io, None, false, slow);
    let to = address(&server, Transport::Grpc);
    let client = std::thread::spawn(move || {
        runtime().block_on(async {
            let sender = connect(to).await;
            grpc(&sender, &body(1, 1)).await.unwrap().code()
        })
    });
    std::thread::sleep(Duration::from_millis(150));
    assert!(server.drain(Duration::from_secs(3)));
    assert_eq!(client.join().unwrap(), 0);
    assert!(std::net::TcpStream::connect(to).is_err());
}
