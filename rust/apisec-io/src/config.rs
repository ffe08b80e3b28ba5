//! Settings as the Python side hands them over: JSON, durations in seconds, sizes in bytes.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

/// A duration written as seconds; negative and absurd ones read as zero and as a year.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(from = "f64")]
pub struct Seconds(pub Duration);

impl From<f64> for Seconds {
    fn from(seconds: f64) -> Self {
        Seconds(
            Duration::try_from_secs_f64(seconds.clamp(0.0, 366.0 * 86_400.0)).unwrap_or_default(),
        )
    }
}

fn seconds(count: u64) -> Seconds {
    Seconds(Duration::from_secs(count))
}

/// What one process shares.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IoConfig {
    /// Threads for compression and decoding; 0 = one for each core, at most two.
    pub workers: usize,
    /// Requests up to this many bytes are decoded on the I/O thread.
    pub inline_bytes: usize,
    /// Bytes held from the wire to the reply.
    pub in_flight_bytes: usize,
    /// Open connections over all receivers.
    pub connections: usize,
    /// A request that waits longer than this for the engine leaves unanalysed.
    pub engine_wait: Seconds,
    /// Messages that wait in the outbox of findings.
    pub outbox_messages: usize,
    /// Bytes that wait in the outbox of findings.
    pub outbox_bytes: usize,
}

impl Default for IoConfig {
    fn default() -> Self {
        IoConfig {
            workers: 0,
            inline_bytes: 256 << 10,
            in_flight_bytes: 256 << 20,
            connections: 2048,
            engine_wait: Seconds(Duration::from_millis(200)),
            outbox_messages: 1024,
            outbox_bytes: 32 << 20,
        }
    }
}

/// One receiver: up to two ports.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// The receiver's id, for counters.
    pub name: String,
    /// The gRPC port.
    pub grpc: Option<PortConfig>,
    /// The HTTP port.
    pub http: Option<PortConfig>,
    /// Headers that go on to the backend.
    pub metadata_keys: Vec<String>,
    /// Values of `authorization` that are let in; none: anybody is.
    pub authorization: Vec<String>,
}

/// One listening port.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PortConfig {
    /// host:port.
    pub endpoint: String,
    /// TLS; without it the port must be loopback or `insecure`.
    pub tls: Option<ServerTls>,
    /// Accept plain text from other machines.
    pub insecure: bool,
    /// Largest body on the wire.
    pub max_wire_bytes: usize,
    /// Largest body decompressed.
    pub max_bytes: usize,
    /// Streams a connection.
    pub max_concurrent_streams: u32,
    /// Bytes of headers a request.
    pub max_header_bytes: u32,
    /// A connection's first request must come within this.
    pub first_request: Seconds,
    /// A body must be complete within this.
    pub whole_body: Seconds,
    /// An HTTP/1.1 connection may idle this long.
    pub idle: Seconds,
    /// Age at which a connection is asked to close; None = never.
    pub max_connection_age: Option<Seconds>,
    /// After its age, the time for what is in flight.
    pub max_connection_age_grace: Seconds,
    /// Path of traces on HTTP.
    pub traces_url_path: String,
    /// Path of logs on HTTP.
    pub logs_url_path: String,
    /// Path of metrics on HTTP.
    pub metrics_url_path: String,
}

impl Default for PortConfig {
    fn default() -> Self {
        PortConfig {
            endpoint: "localhost:4317".into(),
            tls: None,
            insecure: false,
            max_wire_bytes: 64 << 20,
            max_bytes: 64 << 20,
            max_concurrent_streams: 128,
            max_header_bytes: 16 << 10,
            first_request: seconds(10),
            whole_body: seconds(30),
            idle: seconds(180),
            max_connection_age: None,
            max_connection_age_grace: seconds(30),
            traces_url_path: "/v1/traces".into(),
            logs_url_path: "/v1/logs".into(),
            metrics_url_path: "/v1/metrics".into(),
        }
    }
}

/// configtls of a server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerTls {
    /// PEM chain.
    pub cert_file: String,
    /// PEM key.
    pub key_file: String,
    /// PEM roots of client certificates; set = clients must show one.
    pub client_ca_file: Option<String>,
    /// "1.2" (default) or "1.3".
    pub min_version: Option<String>,
    /// Read the files again this often.
    pub reload_interval: Option<Seconds>,
}

/// configtls of a client.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientTls {
    /// Plain text.
    pub insecure: bool,
    /// PEM roots; None = the system's.
    pub ca_file: Option<String>,
    /// PEM chain shown to the server.
    pub cert_file: Option<String>,
    /// PEM key of it.
    pub key_file: Option<String>,
    /// Name expected in the server's certificate.
    pub server_name_override: Option<String>,
    /// Take any certificate.
    pub insecure_skip_verify: bool,
    /// "1.2" (default) or "1.3".
    pub min_version: Option<String>,
}

/// The protocol of an exporter.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ExporterKind {
    /// gRPC over HTTP/2.
    OtlpGrpc,
    /// OTLP over HTTP.
    OtlpHttp,
}

/// One exporter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExporterConfig {
    /// The exporter's id, for counters.
    pub name: String,
    /// Protocol.
    pub kind: ExporterKind,
    /// host:port, or a URL.
    #[serde(default)]
    pub endpoint: String,
    /// Whole URL of traces (HTTP).
    #[serde(default)]
    pub traces_endpoint: Option<String>,
    /// Whole URL of logs (HTTP).
    #[serde(default)]
    pub logs_endpoint: Option<String>,
    /// Whole URL of metrics (HTTP).
    #[serde(default)]
    pub metrics_endpoint: Option<String>,
    /// TLS.
    #[serde(default)]
    pub tls: ClientTls,
    /// Headers of every request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Content encoding; gzip by default.
    #[serde(default = "gzip")]
    pub compression: String,
    /// Longest time for one message; 5 s (gRPC), 30 s (HTTP).
    #[serde(default)]
    pub timeout: Option<Seconds>,
    /// HTTP/2 connections, or most HTTP/1.1 connections at a time; 1 and 64.
    #[serde(default)]
    pub connections: Option<usize>,
    /// Most bytes of a message, uncompressed.
    #[serde(default = "max_bytes")]
    pub max_bytes: usize,
    /// Most spans of a message.
    #[serde(default = "max_spans")]
    pub max_spans: u32,
    /// Whether requests that wait together leave together.
    #[serde(default = "yes")]
    pub merge: bool,
    /// Most bytes of memory of what the backend acknowledged; 0: none.
    #[serde(default)]
    pub loop_memory: usize,
}

fn gzip() -> String {
    "gzip".into()
}

fn max_bytes() -> usize {
    (4 << 20) - (64 << 10)
}

fn max_spans() -> u32 {
    8192
}

fn yes() -> bool {
    true
}

impl ExporterConfig {
    /// The timeout, by kind when unset.
    pub fn timeout(&self) -> Duration {
        let usual = match self.kind {
            ExporterKind::OtlpGrpc => seconds(5),
            ExporterKind::OtlpHttp => seconds(30),
        };
        self.timeout.unwrap_or(usual).0
    }
}
