//! TLS and mTLS, both ways, with certificates made here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use apisec_io::{
    admit::Route,
    merge::Outgoing,
    otlp::Transport,
    reply::Reply,
    runtime::{Io, Server},
};
use common::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};

/// A folder of PEM files: an authority, and certificates of it.
struct Authority {
    folder: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Authority {
    fn new() -> Authority {
        let number = NEXT.fetch_add(1, SeqCst);
        let folder =
            std::env::temp_dir().join(format!("apisec-tls-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.join("ca.pem"), issuer.pem()).unwrap();
        Authority { folder, issuer }
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// Writes NAME.pem and NAME.key for these host names.
    fn issue(&self, name: &str, hosts: &[&str]) {
        let key = KeyPair::generate().unwrap();
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let params = CertificateParams::new(hosts).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    fn server(&self) -> Value {
        json!({"cert_file": self.file("server.pem"), "key_file": self.file("server.key")})
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn authority() -> Authority {
    let authority = Authority::new();
    authority.issue("server", &["localhost", "127.0.0.1"]);
    authority.issue("client", &["somebody"]);
    authority
}

/// A backend behind TLS.
struct Sink {
    _engine: EngineThread,
    server: Server,
    _io: Arc<Io>,
}

fn sink(tls: &Value) -> Sink {
    let io = io();
    let port = json!({"endpoint": "127.0.0.1:0", "tls": tls});
    let server = server(
        &io,
        json!({"name": "sink", "grpc": port, "http": port}),
        &Route::Engine(None),
    );
    Sink {
        _engine: engine(&io, None, false, Arc::new(|_| Some(Reply::Accepted))),
        server,
        _io: io,
    }
}

/// One request through an exporter with these TLS settings: code and message.
fn through(sink: &Sink, kind: &str, tls: &Value) -> (i32, String) {
    let (transport, scheme) = if kind == "otlp_grpc" {
        (Transport::Grpc, "")
    } else {
        (Transport::Http, "https://")
    };
    let endpoint = format!(
        "{scheme}localhost:{}",
        address(&sink.server, transport).port()
    );
    let io = io_with(json!({"engine_wait": 60.0}));
    let exporter = exporter(
        &io,
        json!({"name": "b", "kind": kind, "endpoint": endpoint, "tls": tls, "timeout": 3.0}),
    );
    let server = server(&io, ports(), &Route::Engine(None));
    let to = address(&server, Transport::Grpc);
    let client = std::thread::spawn(move || {
        runtime().block_on(async { grpc(&connect(to).await, &body(20_000, 50)).await.unwrap() })
    });
    let pulled = io
        .core()
        .mailbox
        .pull(1, usize::MAX, Duration::from_secs(5));
    let outgoing = pulled.into_iter().map(|request| Outgoing {
        request,
        payload: None,
        same: false,
        withheld: 0,
    });
    exporter.push(outgoing.collect());
    let got = client.join().unwrap();
    (got.code(), got.message())
}

#[test]
fn both_protocols_speak_tls_and_check_whom_they_speak_to() {
    let (authority, stranger) = (authority(), authority());
    let sink = sink(&authority.server());
    for kind in ["otlp_grpc", "otlp_http"] {
        let trusting = json!({"ca_file": authority.file("ca.pem")});
        assert_eq!(through(&sink, kind, &trusting).0, 0, "{kind}");
        assert_eq!(
            through(&sink, kind, &json!({"insecure_skip_verify": true})).0,
            0,
            "{kind}"
        );
        let (code, message) = through(&sink, kind, &json!({"ca_file": stranger.file("ca.pem")}));
        assert_eq!(code, 14, "{kind}");
        assert!(message.contains("certificate"), "{message}");
        let (code, message) = through(
            &sink,
            kind,
            &json!({"ca_file": authority.file("ca.pem"), "server_name_override": "elsewhere"}),
        );
        assert_eq!(code, 14, "{kind}");
        assert!(message.contains("certificate"), "{message}");
        let (code, _) = through(&sink, kind, &json!({}));
        assert_eq!(code, 14, "the system does not know this authority");
    }
}

#[test]
fn clients_show_a_certificate_when_asked() {
    let (authority, stranger) = (authority(), authority());
    let mut tls = authority.server();
    tls["client_ca_file"] = json!(authority.file("ca.pem"));
    tls["min_version"] = json!("1.3");
    let sink = sink(&tls);
    let shown = |from: &Authority| json!({"ca_file": authority.file("ca.pem"), "cert_file": from.file("client.pem"), "key_file": from.file("client.key")});
    for kind in ["otlp_grpc", "otlp_http"] {
        assert_eq!(through(&sink, kind, &shown(&authority)).0, 0, "{kind}");
        assert_eq!(through(&sink, kind, &shown(&stranger)).0, 14, "{kind}");
        assert_eq!(
            through(&sink, kind, &json!({"ca_file": authority.file("ca.pem")})).0,
            14,
            "{kind}"
        );
    }
}

#[test]
fn a_new_certificate_is_taken_up_and_a_broken_one_is_not() {
    let (old, new) = (authority(), authority());
    let mut tls = old.server();
    tls["reload_interval"] = json!(0.1);
    let sink = sink(&tls);
    assert_eq!(
        through(&sink, "otlp_grpc", &json!({"ca_file": old.file("ca.pem")})).0,
        0
    );
    std::fs::write(old.file("server.pem"), "broken").unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(
        through(&sink, "otlp_grpc", &json!({"ca_file": old.file("ca.pem")})).0,
        0
    );
    for name in ["server.key", "server.pem"] {
        std::fs::copy(new.file(name), old.file(name)).unwrap();
    }
    let until = Instant::now() + Duration::from_secs(3);
    while through(&sink, "otlp_grpc", &json!({"ca_file": new.file("ca.pem")})).0 != 0 {
        assert!(Instant::now() < until, "not taken up");
    }
}

#[test]
fn a_plain_client_and_a_silent_one_do_not_hold_a_tls_port() {
    let authority = authority();
    let io = io();
    let port = json!({"endpoint": "127.0.0.1:0", "tls": authority.server(), "first_request": 0.4});
    let server = server(
        &io,
        json!({"name": "otlp", "grpc": port}),
        &Route::Engine(None),
    );
    for sent in [&b""[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        use std::io::{Read, Write};
        let mut socket = std::net::TcpStream::connect(address(&server, Transport::Grpc)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(3)))
            .unwrap();
        socket.write_all(sent).unwrap();
        let mut rest = Vec::new();
        let ended = socket.read_to_end(&mut rest);
        assert!(
            ended.is_ok()
                || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
        );
    }
}

#[test]
fn files_that_will_not_do_are_named() {
    let authority = authority();
    std::fs::write(authority.file("empty.pem"), "").unwrap();
    let io = io();
    let refused = |tls: Value| {
        let config = serde_json::from_value(
            json!({"name": "otlp", "grpc": {"endpoint": "127.0.0.1:0", "tls": tls}}),
        )
        .unwrap();
        io.server(config, [Some(Route::Engine(None)), None, None])
            .err()
            .unwrap()
            .to_string()
    };
    let with = |key: &str, file: &str| {
        let mut tls = authority.server();
        tls[key] = json!(authority.file(file));
        refused(tls)
    };
    for (key, file) in [
        ("cert_file", "none.pem"),
        ("cert_file", "empty.pem"),
        ("key_file", "none.key"),
        ("key_file", "ca.pem"),
        ("client_ca_file", "empty.pem"),
    ] {
        let said = with(key, file);
        assert!(said.contains(file), "{key} {file}: {said}");
    }
    let said = with("key_file", "client.key");
    assert!(
        said.contains("server.pem") && said.contains("client.key"),
        "{said}"
    );
    let mut tls = authority.server();
    tls["min_version"] = json!("1.1");
    assert!(refused(tls).contains("1.1"));
    let config = |tls: Value| {
        serde_json::from_value(
            json!({"name": "b", "kind": "otlp_grpc", "endpoint": "localhost:1", "tls": tls}),
        )
        .unwrap()
    };
    let said = io
        .exporter(config(json!({"ca_file": "/none/ca.pem"})))
        .err()
        .unwrap()
        .to_string();
    assert!(said.contains("/none/ca.pem"), "{said}");
    let said = io
        .exporter(config(json!({"cert_file": authority.file("client.pem")})))
        .err()
        .unwrap()
        .to_string();
    assert!(said.contains("key_file"), "{said}");
    assert!(Path::new(&authority.file("ca.pem")).exists());
}
