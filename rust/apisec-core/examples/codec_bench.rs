//! Prints ns a span of decode, encode, split, transcode and memcpy: `cargo run --release --example codec_bench`.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use apisec_core::codec::{
    Annotation, SpanBatch, Vocabulary, decode, encode, identities, json, split, without,
};
use apisec_core::hash::Hasher;
use apisec_core::wire::{put_bytes, put_length, put_varint};
use bytes::Bytes;

const SPANS: usize = 512;

const VOCABULARY: &str = r#"{
  "kinds": [2], "missing": ["", "REDACTED", "[REDACTED]", "-"], "reserved": "apisec.",
  "columns": [
    {"column": "environment", "sources": [{"at": "resource", "key": "deployment.environment.name", "as": "text"}]},
    {"column": "service", "sources": [{"at": "resource", "key": "service.name", "as": "text"}]},
    {"column": "version", "sources": [{"at": "resource", "key": "service.version", "as": "text"}]},
    {"column": "method", "sources": [{"at": "span", "key": "http.request.method", "as": "text"}, {"at": "span", "key": "http.method", "as": "text"}]},
    {"column": "scheme", "sources": [{"at": "span", "key": "url.scheme", "as": "text"}]},
    {"column": "host", "sources": [{"at": "span", "key": "server.address", "as": "host"}]},
    {"column": "path", "sources": [{"at": "span", "key": "url.path", "as": "text"}, {"at": "span", "key": "http.target", "as": "target.path"}, {"at": "span", "key": "url.full", "as": "url.path"}]},
    {"column": "query", "sources": [{"at": "span", "key": "url.query", "as": "text"}, {"at": "span", "key": "http.target", "as": "target.query"}]},
    {"column": "route", "sources": [{"at": "span", "key": "http.route", "as": "text"}]},
    {"column": "client", "sources": [{"at": "span", "key": "client.address", "as": "text"}]},
    {"column": "peer", "sources": [{"at": "span", "key": "network.peer.address", "as": "text"}]},
    {"column": "agent", "sources": [{"at": "span", "key": "user_agent.original", "as": "text"}]},
    {"column": "user", "sources": [{"at": "span", "key": "user.id", "as": "text"}, {"at": "span", "key": "enduser.id", "as": "text"}]},
    {"column": "credential", "sources": [{"at": "span", "key": "http.request.header.authorization", "as": "list"}]},
    {"column": "error", "sources": [{"at": "span", "key": "error.type", "as": "text"}]},
    {"column": "status", "sources": [{"at": "span", "key": "http.response.status_code", "as": "number"}, {"at": "span", "key": "http.status_code", "as": "number"}]}
  ],
  "secret_headers": ["http.request.header.authorization", "http.request.header.cookie"],
  "query_carriers": ["url.query", "http.target", "url.full", "http.url"],
  "secret_queries": ["token", "access_token", "api_key", "password", "code", "sig"]
}"#;

enum Value<'a> {
    Text(&'a str),
    Int(u64),
}

fn message(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    put_varint(out, u64::from(field << 3 | 2));
    put_length(out, |out| {
        write(out);
        Ok::<(), ()>(())
    })
    .unwrap();
}

fn attribute(out: &mut Vec<u8>, field: u32, key: &str, value: &Value<'_>) {
    message(out, field, |out| {
        put_bytes(out, 1, key.as_bytes());
        message(out, 2, |out| match value {
            Value::Text(text) => put_bytes(out, 1, text.as_bytes()),
            Value::Int(int) => {
                out.push(3 << 3);
                put_varint(out, *int);
            }
        });
    });
}

/// One in three is a SERVER span, as in traces recorded from instrumented services.
fn span(out: &mut Vec<u8>, index: usize) {
    let mark = (index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    put_bytes(
        out,
        1,
        &[mark.to_le_bytes(), (!mark).to_le_bytes()].concat(),
    );
    put_bytes(out, 2, &mark.to_le_bytes());
    put_bytes(out, 4, &(mark ^ 77).to_le_bytes());
    put_bytes(out, 5, b"GET /api/orders/{id}");
    out.extend_from_slice(&[6 << 3, if index.is_multiple_of(3) { 2 } else { 3 }]);
    for field in [7u8, 8] {
        out.push(field << 3 | 1);
        out.extend_from_slice(
            &(1_790_000_000_000_000_000 + index as u64 * 1000 * u64::from(field)).to_le_bytes(),
        );
    }
    let path = format!("/api/orders/{}", mark >> 40);
    let texts = [
        ("http.request.method", "GET"),
        ("url.scheme", "https"),
        ("url.path", &path),
        ("url.query", "page=2&sort=asc"),
        ("http.route", "/api/orders/{id}"),
        ("server.address", "api.example.com"),
        ("client.address", "203.0.113.7"),
        ("network.protocol.version", "1.1"),
        (
            "user_agent.original",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/128.0 Safari/537.36",
        ),
    ];
    for (key, text) in texts {
        attribute(out, 9, key, &Value::Text(text));
    }
    attribute(out, 9, "http.response.status_code", &Value::Int(200));
    attribute(out, 9, "server.port", &Value::Int(8443));
    out.extend_from_slice(&[15 << 3 | 2, 0]);
}

fn request() -> Bytes {
    let mut out = Vec::new();
    message(&mut out, 1, |out| {
        message(out, 1, |out| {
            attribute(out, 1, "service.name", &Value::Text("shop"));
            attribute(out, 1, "deployment.environment.name", &Value::Text("prod"));
        });
        message(out, 2, |out| {
            message(out, 1, |out| {
                put_bytes(out, 1, b"opentelemetry.instrumentation.fastapi")
            });
            (0..SPANS).for_each(|index| message(out, 2, |out| span(out, index)));
        });
    });
    out.into()
}

/// The best of many rounds: the machine is shared.
fn measure(name: &str, mut work: impl FnMut()) {
    let mut best = Duration::MAX;
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed());
    }
    println!(
        "{name:<28} {:7.1} ns/span",
        best.as_nanos() as f64 / SPANS as f64
    );
}

fn main() {
    let vocabulary = Vocabulary::load(VOCABULARY).unwrap();
    let hasher = Hasher::new(&[7; 16]);
    let bytes = request();
    let member = decode(bytes.clone(), &vocabulary, &hasher, 1 << 17).unwrap();
    println!(
        "{} spans, {} rows, {} bytes/span",
        member.spans,
        member.rows.len(),
        bytes.len() / SPANS
    );

    if std::env::var_os("ONLY_DECODE").is_some() {
        return measure("decode", || {
            drop(black_box(decode(
                black_box(bytes.clone()),
                &vocabulary,
                &hasher,
                1 << 17,
            )))
        });
    }
    measure("memcpy", || drop(black_box(bytes.to_vec())));
    measure("decode", || {
        drop(black_box(decode(
            black_box(bytes.clone()),
            &vocabulary,
            &hasher,
            1 << 17,
        )))
    });
    let none = Vocabulary::load(&VOCABULARY.replace("\"kinds\": [2]", "\"kinds\": []")).unwrap();
    measure("decode, no span kept", || {
        drop(black_box(decode(
            black_box(bytes.clone()),
            &none,
            &hasher,
            1 << 17,
        )))
    });
    let all = Vocabulary::load(&VOCABULARY.replace("\"kinds\": [2]", "\"kinds\": [2, 3]")).unwrap();
    measure("decode, every span kept", || {
        drop(black_box(decode(
            black_box(bytes.clone()),
            &all,
            &hasher,
            1 << 17,
        )))
    });

    let mut batch = SpanBatch::from_members(vec![member.clone()]);
    for row in (0..batch.len()).step_by(33) {
        let texts = [
            ("apisec.severity", "high"),
            ("apisec.finding", "bola_enumeration"),
            ("apisec.session.id", "4f2a99d01c7be210"),
        ];
        batch.annotate(
            row,
            texts.map(|(key, text)| (key.to_owned(), Annotation::Text(text.to_owned()))),
        );
        batch.annotate(
            row,
            [("apisec.risk.score".to_owned(), Annotation::Double(71.0))],
        );
    }
    measure("encode, 1 % annotated", || drop(black_box(batch.encode())));
    measure("encode, untouched", || {
        drop(black_box(encode(&member, &Default::default())))
    });
    measure("identities", || {
        drop(black_box(identities(&bytes, &hasher)))
    });
    let half: Vec<bool> = (0..SPANS).map(|place| place % 2 == 0).collect();
    measure("leave half of it out", || {
        drop(black_box(without(&bytes, &half)))
    });
    measure("split into 4", || {
        drop(black_box(split(&bytes, 128, 1 << 22)))
    });
    let json = br#"{"resourceSpans":[{"scopeSpans":[{"spans":["#.to_vec();
    let one = r#"{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"GET /api","kind":2,"startTimeUnixNano":"1544712660000000000","endTimeUnixNano":"1544712661000000000","attributes":[{"key":"http.request.method","value":{"stringValue":"GET"}},{"key":"url.path","value":{"stringValue":"/api/orders/7"}},{"key":"http.response.status_code","value":{"intValue":"200"}}],"status":{}}"#;
    let json = [
        json,
        [one; SPANS].join(",").into_bytes(),
        b"]}]}]}".to_vec(),
    ]
    .concat();
    measure("transcode, JSON of 400 bytes", || {
        drop(black_box(json::transcode(&json)))
    });
}
