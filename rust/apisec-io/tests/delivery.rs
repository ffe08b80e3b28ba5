//! End-to-end acknowledgement: merging, splitting, resuming, failing open, backends that misbehave.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use apisec_io::{
    admit::Route,
    compress::{Encoding, compress},
    export::Exporter,
    merge::Outgoing,
    otlp::{Code, Signal, Transport},
    reply::{Refusal, Reply},
    request::Request,
    runtime::{Io, Server},
};
use bytes::Bytes;
use common::*;
use serde_json::{Value, json};

/// A server whose engine is the test itself, and its exporter.
struct Bench {
    io: Arc<Io>,
    server: Server,
    exporter: Exporter,
}

fn bench(mut exporter_config: Value, settings: Value) -> Bench {
    exporter_config
        .as_object_mut()
        .unwrap()
        .extend(settings.as_object().unwrap().clone());
    let io = io_with(json!({"engine_wait": 30.0}));
    let exporter = exporter(&io, exporter_config);
    let mut config = ports();
    config["metadata_keys"] = json!(["X-Scope-OrgID"]);
    let server = server(&io, config, &Route::Engine(None));
    Bench {
        io,
        server,
        exporter,
    }
}

type Client = JoinHandle<Got>;

impl Bench {
    fn client(&self, headers: &[(&'static str, &'static str)], body: Bytes) -> Client {
        let to = address(&self.server, Transport::Grpc);
        let mut all = vec![("content-type", "application/grpc"), ("te", "trailers")];
        all.extend(headers);
        std::thread::spawn(move || {
            runtime().block_on(async {
                exchange(&connect(to).await, TRACES, &all, body)
                    .await
                    .unwrap()
            })
        })
    }

    fn send(&self, message: &Bytes) -> Client {
        self.client(&[], framed(message, false))
    }

    fn pull(&self, count: usize) -> Vec<Arc<Request>> {
        let until = Instant::now() + Duration::from_secs(5);
        while self.io.core().mailbox.len() < count {
            assert!(
                Instant::now() < until,
                "{} of {count} came",
                self.io.core().mailbox.len()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        self.io
            .core()
            .mailbox
            .pull(count, usize::MAX, Duration::ZERO)
    }

    fn push(&self, count: usize) {
        let outgoing = self
            .pull(count)
            .into_iter()
            .map(|request| Outgoing {
                request,
                payload: None,
                same: false,
                withheld: 0,
            })
            .collect();
        self.exporter.push(outgoing);
    }

    fn call(&self, message: &Bytes) -> Got {
        let client = self.send(message);
        self.push(1);
        client.join().unwrap()
    }
}

/// Answers from a list, then accepts; what it was sent is in `engine.seen`.
fn scripted(replies: Vec<Reply>) -> Backend {
    let script = Mutex::new(std::collections::VecDeque::from(replies));
    backend(Arc::new(move |_| {
        Some(
            script
                .lock()
                .unwrap()
                .pop_front()
                .unwrap_or(Reply::Accepted),
        )
    }))
}

fn sizes(sink: &Backend) -> Vec<u32> {
    sink.engine
        .seen
        .lock()
        .unwrap()
        .iter()
        .map(|seen| seen.spans)
        .collect()
}

fn permanent() -> Reply {
    Reply::Refused(Refusal::passed(Code::INVALID_ARGUMENT, "bad data", None))
}

fn later() -> Reply {
    Reply::Refused(Refusal::passed(
        Code::UNAVAILABLE,
        "later",
        Some(Duration::from_secs(7)),
    ))
}

#[test]
fn what_waits_together_leaves_together() {
    let sink = accepting();
    let bench = bench(sink.grpc(), json!({}));
    let clients: Vec<Client> = (0..5).map(|_| bench.send(&body(10, 100))).collect();
    bench.push(5);
    assert!(
        clients
            .into_iter()
            .all(|client| client.join().unwrap().code() == 0)
    );
    assert_eq!(sizes(&sink), [50]);
    assert_eq!(sink.engine.seen.lock().unwrap()[0].bytes, body(50, 100));
}

#[test]
fn other_headers_and_full_messages_leave_apart() {
    let sink = accepting();
    let bench = bench(sink.grpc(), json!({"max_spans": 25}));
    let mut clients: Vec<Client> = (0..3).map(|_| bench.send(&body(10, 100))).collect();
    clients.push(bench.client(&[("x-scope-orgid", "a")], framed(&body(1, 1), false)));
    clients.push(bench.client(&[("x-scope-orgid", "b")], framed(&body(1, 1), false)));
    clients.push(bench.client(&[("x-scope-orgid", "a")], framed(&body(1, 1), false)));
    bench.push(6);
    assert!(
        clients
            .into_iter()
            .all(|client| client.join().unwrap().code() == 0)
    );
    let mut sent = sizes(&sink);
    sent.sort_unstable();
    assert_eq!(sent, [1, 2, 10, 20]);
    let seen = sink.engine.seen.lock().unwrap();
    let of_a = seen.iter().find(|seen| seen.spans == 2).unwrap();
    assert_eq!(of_a.headers, [("x-scope-orgid".to_owned(), "a".to_owned())]);
}

#[test]
fn what_came_compressed_leaves_as_the_same_bytes() {
    let message = body(300, 500);
    for (name, encoding) in [
        ("gzip", Encoding::Gzip),
        ("zstd", Encoding::Zstd),
        ("snappy", Encoding::SnappyFramed),
    ] {
        let sink = accepting();
        let bench = bench(sink.grpc(), json!({"compression": name}));
        let packed = compress(encoding, &message).unwrap();
        let clients =
            [1, 2].map(|_| bench.client(&[("grpc-encoding", name)], framed(&packed, true)));
        bench.push(2);
        assert!(
            clients
                .into_iter()
                .all(|client| client.join().unwrap().code() == 0)
        );
        let seen = sink.engine.seen.lock().unwrap();
        assert_eq!(seen.len(), 2, "not merged");
        assert!(
            seen.iter()
                .all(|seen| seen.wire == packed && seen.encoding == encoding)
        );
    }
}

#[test]
fn every_compression_is_read_by_a_backend() {
    let message = body(300, 500);
    for kind in ["otlp_grpc", "otlp_http"] {
        for name in ["gzip", "zstd", "snappy", "deflate", "zlib", "none"] {
            let sink = accepting();
            let config = if kind == "otlp_grpc" {
                sink.grpc()
            } else {
                sink.http()
            };
            let bench = bench(config, json!({"compression": name}));
            assert_eq!(bench.call(&message).code(), 0, "{kind} {name}");
            let seen = sink.engine.seen.lock().unwrap();
            assert_eq!(seen[0].bytes, message, "{kind} {name}");
            assert_eq!(
                seen[0].encoding != Encoding::Identity,
                name != "none",
                "{kind} {name}"
            );
        }
    }
}

#[test]
fn the_answer_of_a_backend_is_the_reply() {
    for http in [false, true] {
        let config = |sink: &Backend| if http { sink.http() } else { sink.grpc() };
        let sink = scripted(vec![
            later(),
            permanent(),
            Reply::Partial {
                rejected: 2,
                message: "two".into(),
            },
        ]);
        let bench = bench(config(&sink), json!({}));
        let got = bench.call(&body(3, 10));
        assert_eq!(
            (
                got.code(),
                got.message().as_str(),
                got.headers["google.rpc.retryinfo-bin"].to_str().unwrap()
            ),
            (14, "later", "CgIIBw")
        );
        let got = bench.call(&body(3, 10));
        assert_eq!((got.code(), got.message().as_str()), (3, "bad data"));
        assert_eq!(
            &bench.call(&body(3, 10)).body[5..],
            b"\x0a\x07\x08\x02\x12\x03two"
        );
    }
}

#[test]
fn of_a_merged_message_each_member_gets_its_own_refusal() {
    let good = body(5, 10);
    let bad = body(7, 10);
    let rule: Rule = Arc::new(|request| {
        Some(if request.spans == 5 {
            Reply::Accepted
        } else {
            permanent()
        })
    });
    let sink = backend(rule);
    let bench = bench(sink.grpc(), json!({}));
    let clients = [&good, &bad, &good].map(|message| bench.send(message));
    bench.push(3);
    let mut codes = clients.map(|client| client.join().unwrap().code());
    codes.sort_unstable();
    assert_eq!(codes, [0, 0, 3]);
    assert_eq!(sizes(&sink)[0], 17);
}

#[test]
fn of_a_merged_message_a_retryable_refusal_answers_all_and_a_partial_success_blames_nobody() {
    let sink = scripted(vec![
        later(),
        Reply::Partial {
            rejected: 4,
            message: "four".into(),
        },
    ]);
    let bench = bench(sink.grpc(), json!({}));
    let clients = [1, 2].map(|_| bench.send(&body(5, 10)));
    bench.push(2);
    for client in clients {
        assert_eq!(client.join().unwrap().code(), 14);
    }
    let clients = [1, 2].map(|_| bench.send(&body(5, 10)));
    bench.push(2);
    for client in clients {
        assert_eq!(&client.join().unwrap().body[5..], b"\x0a\x06\x12\x04four");
    }
    assert_eq!(sizes(&sink), [10, 10]);
}

#[test]
fn what_is_too_large_leaves_in_parts_and_a_retry_resumes() {
    let sink = scripted(vec![
        Reply::Accepted,
        Reply::Partial {
            rejected: 1,
            message: "one".into(),
        },
        later(),
    ]);
    let bench = bench(sink.grpc(), json!({"max_spans": 10}));
    let large: Bytes = (0..45u8)
        .flat_map(|at| [0x0a, 0x01, at])
        .collect::<Vec<u8>>()
        .into();
    let got = bench.call(&large);
    assert_eq!(
        (
            got.code(),
            got.headers["google.rpc.retryinfo-bin"].to_str().unwrap()
        ),
        (14, "CgIIBw")
    );
    let got = bench.call(&large);
    assert_eq!(
        &got.body[5..],
        b"\x0a\x07\x08\x01\x12\x03one",
        "what was told of the first parts is not lost"
    );
    assert_eq!(sizes(&sink), [10, 10, 10, 10, 10, 5]);
    let seen = sink.engine.seen.lock().unwrap();
    let firsts: Vec<u8> = seen.iter().map(|seen| seen.bytes[2]).collect();
    assert_eq!(firsts, [0, 10, 20, 20, 30, 40]);
}

#[test]
fn a_part_that_is_refused_for_good_is_told_and_the_others_go_on() {
    let sink = scripted(vec![Reply::Accepted, permanent(), Reply::Accepted]);
    let bench = bench(sink.grpc(), json!({"max_spans": 10}));
    assert_eq!(
        &bench.call(&body(25, 3)).body[5..],
        b"\x0a\x0c\x08\x0a\x12\x08bad data"
    );
    assert_eq!(sizes(&sink), [10, 10, 5]);
    let sink = scripted(vec![permanent(), permanent()]);
    let bench = self::bench(sink.grpc(), json!({"max_spans": 10}));
    assert_eq!(bench.call(&body(20, 3)).code(), 3, "nothing was taken");
}

#[test]
fn json_passes_over_http_and_is_refused_over_grpc() {
    let logs = br#"{"resourceLogs":[]}"#;
    for http in [true, false] {
        let sink = accepting();
        let bench = bench(if http { sink.http() } else { sink.grpc() }, json!({}));
        let to = address(&bench.server, Transport::Http);
        let client = std::thread::spawn(move || {
            runtime().block_on(http1(
                to,
                "POST /v1/logs HTTP/1.1\r\ncontent-type: application/json",
                logs,
            ))
        });
        bench.push(1);
        let got = client.join().unwrap();
        if http {
            assert_eq!(got.status, 200);
            let seen = sink.engine.seen.lock().unwrap();
            assert!(seen[0].json && seen[0].signal == Signal::Logs && seen[0].bytes == logs[..]);
        } else {
            assert_eq!(got.status, 415);
            assert!(String::from_utf8_lossy(&got.body).contains("otlp_http"));
        }
    }
}

#[test]
fn an_engine_that_stalls_is_passed_by() {
    let sink = accepting();
    let io = io();
    let exporter = exporter(&io, sink.grpc());
    let server = server(&io, ports(), &Route::Engine(Some(exporter)));
    let begin = Instant::now();
    let got = runtime().block_on(async {
        grpc(
            &connect(address(&server, Transport::Grpc)).await,
            &body(5, 10),
        )
        .await
        .unwrap()
    });
    assert_eq!(got.code(), 0);
    assert!(
        (Duration::from_millis(190)..Duration::from_secs(1)).contains(&begin.elapsed()),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(sink.spans(), 5);
    let counters = io.core().counters.read();
    let stalled = counters
        .iter()
        .find(|(key, _)| key.name == "receiver_unanalysed_items")
        .unwrap();
    assert_eq!((stalled.0.reason, stalled.1), ("engine_stalled", 5));
}

#[test]
fn an_engine_that_waits_is_woken_at_once() {
    let bench = bench(
        json!({"name": "none", "kind": "otlp_grpc", "endpoint": "127.0.0.1:1"}),
        json!({}),
    );
    let _engine = engine(&bench.io, None, false, Arc::new(|_| Some(Reply::Accepted)));
    let to = address(&bench.server, Transport::Grpc);
    let worst = runtime().block_on(async {
        let sender = connect(to).await;
        let mut worst = Duration::ZERO;
        for round in 0..300 {
            tokio::time::sleep(Duration::from_micros(round * 37 % 3000)).await;
            let begin = Instant::now();
            assert_eq!(grpc(&sender, &body(2, 100)).await.unwrap().code(), 0);
            worst = worst.max(begin.elapsed());
        }
        worst
    });
    assert!(worst < Duration::from_millis(150), "{worst:?}");
}

/// A backend below HTTP: accepts, and does as told.
fn odd(behave: impl Fn(std::net::TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let behave = Arc::new(behave);
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let behave = behave.clone();
            std::thread::spawn(move || behave(socket));
        }
    });
    address
}

fn told(address: SocketAddr, kind: &str) -> Value {
    let endpoint = if kind == "otlp_http" {
        format!("http://{address}")
    } else {
        address.to_string()
    };
    json!({"name": "odd", "kind": kind, "endpoint": endpoint, "tls": {"insecure": true}, "timeout": 0.7})
}

#[test]
fn backends_that_misbehave_are_unavailable_in_time() {
    use std::io::{Read, Write};
    fn read(socket: &mut std::net::TcpStream) {
        drop(socket.read(&mut [0; 65_536]));
    }
    let closing = odd(drop);
    let silent = odd(|socket| {
        std::thread::sleep(Duration::from_secs(20));
        drop(socket);
    });
    let garbage = odd(|mut socket| {
        read(&mut socket);
        drop(socket.write_all(&b"\x05garbage, not HTTP of any version\r\n".repeat(10)));
        std::thread::sleep(Duration::from_secs(1));
    });
    let half = odd(|mut socket| {
        read(&mut socket);
        drop(socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 100\r\n\r\nhalf"));
    });
    let settings_only = odd(|mut socket| {
        drop(socket.write_all(b"\0\0\0\x04\0\0\0\0\0"));
        while socket.read(&mut [0; 65_536]).is_ok_and(|count| count > 0) {}
    });
    let huge = odd(|mut socket| {
        read(&mut socket);
        drop(socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n"));
        drop(socket.write_all(&vec![b'x'; 9_000_000]));
    });
    for kind in ["otlp_grpc", "otlp_http"] {
        for (name, address) in [
            ("closing", closing),
            ("silent", silent),
            ("garbage", garbage),
            ("half", half),
            ("settings", settings_only),
            ("huge", huge),
        ] {
            let bench = bench(told(address, kind), json!({}));
            let begin = Instant::now();
            let got = bench.call(&body(2, 10));
            assert_eq!(got.code(), 14, "{kind} {name}: {}", got.message());
            assert!(
                begin.elapsed() < Duration::from_secs(2),
                "{kind} {name} {:?}",
                begin.elapsed()
            );
        }
        let bench = bench(told("127.0.0.1:1".parse().unwrap(), kind), json!({}));
        let got = bench.call(&body(2, 10));
        assert_eq!(got.code(), 14);
        assert!(
            got.message().contains("127.0.0.1:1") && got.message().contains("refused"),
            "{}",
            got.message()
        );
    }
}

#[test]
fn the_deadline_of_the_sender_bounds_the_export() {
    let silent = odd(|socket| {
        std::thread::sleep(Duration::from_secs(20));
        drop(socket);
    });
    let bench = bench(told(silent, "otlp_grpc"), json!({"timeout": 5.0}));
    let begin = Instant::now();
    let client = bench.client(&[("grpc-timeout", "1S")], framed(&body(1, 1), false));
    bench.push(1);
    assert_eq!(client.join().unwrap().code(), 14);
    assert!(
        (Duration::from_millis(850)..Duration::from_millis(1000)).contains(&begin.elapsed()),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn a_backend_that_comes_back_is_found_again() {
    for http in [false, true] {
        let first = accepting();
        let config = if http { first.http() } else { first.grpc() };
        let bench = bench(config, json!({}));
        assert_eq!(bench.call(&body(1, 1)).code(), 0);
        let transport = if http {
            Transport::Http
        } else {
            Transport::Grpc
        };
        let at = address(&first.server, transport);
        assert!(first.server.drain(Duration::from_secs(2)));
        drop(first);
        assert_eq!(bench.call(&body(1, 1)).code(), 14);
        let io = io();
        let key = transport.name();
        let second = server(
            &io,
            json!({"name": "sink", key: {"endpoint": at.to_string()}}),
            &Route::Engine(None),
        );
        let _engine = engine(&io, None, false, Arc::new(|_| Some(Reply::Accepted)));
        let until = Instant::now() + Duration::from_secs(4);
        while bench.call(&body(1, 1)).code() != 0 {
            assert!(Instant::now() < until, "never found again");
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(second);
    }
}

#[test]
fn a_goodbye_between_two_messages_costs_nothing() {
    let port = json!({"endpoint": "127.0.0.1:0", "max_connection_age": 0.2, "max_connection_age_grace": 5.0});
    let sink_io = io();
    let sink = server(
        &sink_io,
        json!({"name": "sink", "grpc": port}),
        &Route::Engine(None),
    );
    let _engine = engine(&sink_io, None, false, Arc::new(|_| Some(Reply::Accepted)));
    let config = json!({"name": "b", "kind": "otlp_grpc", "endpoint": address(&sink, Transport::Grpc).to_string(), "tls": {"insecure": true}});
    let bench = bench(config, json!({}));
    for _ in 0..40 {
        assert_eq!(bench.call(&body(3, 100)).code(), 0);
        std::thread::sleep(Duration::from_millis(23));
    }
}

#[test]
fn findings_are_sent_and_their_fate_is_told() {
    let rule: Rule = Arc::new(|request| {
        let unknown = Reply::Refused(Refusal::passed(Code::UNIMPLEMENTED, "no logs here", None));
        Some(if request.signal == Signal::Logs {
            unknown
        } else {
            Reply::Accepted
        })
    });
    let sink = backend(rule);
    let bench = bench(sink.grpc(), json!({}));
    let outbox = &bench.io.core().outbox;
    let tokens: Vec<u64> = [Signal::Traces, Signal::Logs, Signal::Logs]
        .iter()
        .map(|signal| outbox.send(&bench.exporter, *signal, body(1, 9)).unwrap())
        .collect();
    let mut fates = Vec::new();
    while fates.len() < 3 {
        fates.extend(outbox.drain());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(
        fates
            .iter()
            .filter(|fate| fate.reply == Reply::Accepted)
            .map(|fate| fate.token)
            .collect::<Vec<_>>(),
        tokens[..1]
    );
    assert_eq!(
        fates.iter().filter(|fate| fate.unsupported).count(),
        1,
        "said once"
    );
    assert!(
        outbox
            .send(&bench.exporter, Signal::Traces, body(1, 40 << 20))
            .is_none(),
        "bounded"
    );
}
