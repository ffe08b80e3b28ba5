//! What counts as delivered: only what the backend took whole, and only when the sender heard so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use apisec_io::{
    admit::Route,
    export::Exporter,
    otlp::{Code, Transport},
    reply::{Refusal, Reply},
    runtime::{Io, Server},
};
use bytes::Bytes;
use common::*;
use serde_json::{Value, json};

/// Receiver, engine that sends everything on, exporter.
struct Middle {
    server: Server,
    exporter: Exporter,
    _engine: EngineThread,
    io: Arc<Io>,
}

fn middle(mut backend: Value) -> Middle {
    backend["loop_memory"] = json!(1 << 20);
    let io = io_with(json!({"engine_wait": 30.0}));
    let exporter = exporter(&io, backend);
    Middle {
        server: server(&io, ports(), &Route::Engine(None)),
        _engine: engine(&io, Some(exporter.clone()), false, Arc::new(|_| None)),
        exporter,
        io,
    }
}

impl Middle {
    async fn call(&self, message: &Bytes) -> Got {
        let to = connect(address(&self.server, Transport::Grpc)).await;
        grpc(&to, message).await.unwrap()
    }

    fn wait_for_nobody(&self) {
        let until = Instant::now() + Duration::from_secs(5);
        while self.io.core().connections.used() > 0 {
            assert!(Instant::now() < until, "a connection stays open");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether a request of so many spans counts as delivered.
    fn knows(&self, spans: usize) -> bool {
        self.exporter
            .delivered()
            .count(&identities_of(&body(spans, 20)), 0)
            > 0
    }
}

fn answering(reply: Reply) -> Backend {
    backend(Arc::new(move |_| Some(reply.clone())))
}

fn refused(code: Code) -> Reply {
    Reply::Refused(Refusal::passed(code, "no", Some(Duration::from_secs(1))))
}

#[test]
fn what_the_backend_took_is_known_once_it_said_so() {
    let backend = accepting();
    let middle = middle(backend.grpc());
    assert!(!middle.knows(3));
    assert_eq!(runtime().block_on(middle.call(&body(3, 20))).code(), 0);
    assert!(middle.knows(3));
    assert!(!middle.knows(4));
}

#[test]
fn what_leaves_in_parts_is_known_when_all_parts_were_taken() {
    let backend = accepting();
    let mut config = backend.grpc();
    config["max_spans"] = json!(2);
    let middle = middle(config);
    assert_eq!(runtime().block_on(middle.call(&body(5, 20))).code(), 0);
    assert!(middle.knows(5));
}

#[test]
fn what_the_backend_refused_or_took_in_part_is_not_known() {
    let partial = Reply::Partial {
        rejected: 1,
        message: "one is bad".into(),
    };
    for reply in [
        refused(Code::UNAVAILABLE),
        refused(Code::INVALID_ARGUMENT),
        partial,
    ] {
        for spans in [3, 5] {
            let backend = answering(reply.clone());
            let mut config = backend.grpc();
            config["max_spans"] = json!(4);
            let middle = middle(config);
            runtime().block_on(middle.call(&body(spans, 20)));
            assert!(!middle.knows(spans), "{reply:?}, {spans} spans");
        }
    }
}

#[test]
fn what_no_backend_answered_is_not_known() {
    let nobody = json!({"name": "b", "kind": "otlp_grpc", "endpoint": "127.0.0.1:1", "tls": {"insecure": true}, "timeout": 0.5});
    let middle = middle(nobody);
    assert_ne!(runtime().block_on(middle.call(&body(3, 20))).code(), 0);
    assert!(!middle.knows(3));
}

#[test]
fn what_a_stalled_backend_holds_is_not_known() {
    let (wake, woken) = mpsc::channel::<()>();
    let woken = std::sync::Mutex::new(woken);
    let backend = backend(Arc::new(move |_| {
        woken.lock().unwrap().recv().ok();
        Some(Reply::Accepted)
    }));
    let mut config = backend.grpc();
    config["timeout"] = json!(0.2);
    let middle = middle(config);
    assert_ne!(runtime().block_on(middle.call(&body(3, 20))).code(), 0);
    drop(wake);
    assert!(!middle.knows(3));
}

#[test]
fn what_was_taken_after_the_sender_had_gone_is_not_known() {
    let (arrived, taken) = mpsc::channel();
    let (wake, woken) = mpsc::channel::<()>();
    let woken = std::sync::Mutex::new(woken);
    let backend = backend(Arc::new(move |request| {
        if request.spans == 3 {
            arrived.send(()).unwrap();
            woken.lock().unwrap().recv().ok();
        }
        Some(Reply::Accepted)
    }));
    let middle = middle(backend.grpc());
    runtime().block_on(async {
        let to = connect(address(&middle.server, Transport::Grpc)).await;
        let sent = tokio::spawn(async move { grpc(&to, &body(3, 20)).await.is_ok() });
        tokio::task::spawn_blocking(move || taken.recv().unwrap())
            .await
            .unwrap();
        sent.abort();
        assert!(sent.await.is_err());
    });
    middle.wait_for_nobody();
    wake.send(()).unwrap();
    assert_eq!(runtime().block_on(middle.call(&body(4, 20))).code(), 0);
    assert!(middle.knows(4) && !middle.knows(3));
}
