//! Under load every call ends within its deadline: the largest latency is what a lost wake-up shows in.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

mod common;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use apisec_io::{admit::Route, otlp::Transport};
use common::*;
use serde_json::json;

/// Seconds of each run; `make e2e` sets a minute.
fn seconds() -> u64 {
    std::env::var("APISEC_LOAD_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(5)
}

/// What every call names as its deadline: far beyond what a busy machine needs, and short of a connection that stands still.
const DEADLINE: Duration = Duration::from_secs(25);

struct Load {
    calls: u64,
    spans: u64,
    worst: Duration,
    took: Vec<Duration>,
}

fn load(
    address: std::net::SocketAddr,
    connections: usize,
    spans: usize,
    size: usize,
    seconds: u64,
) -> Load {
    let message = body(spans, size);
    runtime().block_on(async move {
        let until = Instant::now() + Duration::from_secs(seconds);
        let mut tasks = Vec::new();
        for _ in 0..connections {
            let message = message.clone();
            tasks.push(tokio::spawn(async move {
                let sender = connect(address).await;
                let mut took = Vec::new();
                while Instant::now() < until {
                    let begin = Instant::now();
                    let call =
                        tokio::time::timeout(DEADLINE, grpc_within(&sender, &message, DEADLINE))
                            .await;
                    let got = call.expect("a call outlived its deadline").unwrap();
                    assert_eq!(got.code(), 0, "{} {:?}", got.message(), begin.elapsed());
                    took.push(begin.elapsed());
                }
                took
            }));
        }
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.unwrap());
        }
        all.sort();
        let calls = all.len() as u64;
        Load {
            calls,
            spans: calls * spans as u64,
            worst: *all.last().unwrap(),
            took: all,
        }
    })
}

fn run(connections: usize, spans: usize, size: usize, settings: serde_json::Value, direct: bool) {
    let sink = accepting();
    let io = io();
    let mut config = sink.grpc();
    config
        .as_object_mut()
        .unwrap()
        .extend(settings.as_object().unwrap().clone());
    let exporter = exporter(&io, config);
    let route = if direct {
        Route::Direct(exporter.clone())
    } else {
        Route::Engine(None)
    };
    let server = server(&io, ports(), &route);
    let _engine = (!direct).then(|| engine(&io, Some(exporter), false, Arc::new(|_| None)));
    let load = load(
        address(&server, Transport::Grpc),
        connections,
        spans,
        size,
        seconds(),
    );
    sink.engine.seen.lock().unwrap().clear();
    let at = |share: f64| load.took[((load.took.len() - 1) as f64 * share) as usize];
    println!(
        "{connections} connections of {spans} spans, direct {direct}: {} calls, {:.0} spans/s, p50 {:?} p99 {:?} worst {:?}",
        load.calls,
        load.spans as f64 / seconds() as f64,
        at(0.5),
        at(0.99),
        load.worst
    );
    assert_eq!(sink.spans(), load.spans, "every span arrives exactly once");
    assert_eq!(io.core().flight.used(), 0);
    assert!(server.drain(Duration::from_secs(2)));
}

#[test]
fn large_requests_over_many_connections_all_end() {
    run(
        32,
        8192,
        480,
        json!({"compression": "none", "timeout": 30}),
        false,
    );
}

#[test]
fn small_requests_over_many_connections_all_end() {
    run(
        32,
        32,
        480,
        json!({"compression": "none", "timeout": 30}),
        false,
    );
}

#[test]
fn requests_pass_through_without_an_engine() {
    run(
        4,
        512,
        480,
        json!({"compression": "none", "timeout": 30}),
        true,
    );
}
