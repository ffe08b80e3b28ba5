//! Any bytes: decode, encode and split never panic, and keep what they promise wherever decode accepts.
#![no_main]

use std::sync::LazyLock;

use apisec_core::codec::{Annotation, RECORD_FIELDS, SpanBatch, Text, Vocabulary, decode, split};
use apisec_core::hash::Hasher;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| {
    let sources = [
        ("service", "resource", "service.name", "text"),
        ("method", "span", "m", "text"),
        ("path", "span", "http.url", "url.path"),
        ("query", "span", "http.url", "url.query"),
        ("host", "span", "http.url", "url.host"),
        ("scheme", "span", "http.url", "url.scheme"),
        ("client", "span", "h", "host"),
        ("peer", "span", "l", "list"),
        ("forwarded", "span", "l", "last"),
        ("agent", "span", "l", "joined"),
        ("status", "span", "s", "grpc_status"),
        ("request_size", "span", "s", "number"),
        ("route", "span", "s", "constant:POST"),
        ("credential", "span", "l", "credential"),
        ("session", "span", "l", "cookie:s"),
        ("claim", "span", "l", "claims:i,s"),
    ];
    let columns = sources.map(|(column, at, key, reading)| {
        format!(r#"{{"column": "{column}", "sources": [{{"at": "{at}", "key": "{key}", "as": "{reading}"}}]}}"#)
    });
    let spec = format!(
        r#"{{"kinds": [0, 2], "scope_route_names": ["o"], "missing": ["-"], "reserved": "a.", "columns": [{}],
            "secret_headers": ["l", "x"], "query_carriers": ["http.url"], "secret_queries": ["t", "sig"],
            "limits": {{"attributes": 100000, "text": 1000000, "depth": 64}}}}"#,
        columns.join(",")
    );
    Vocabulary::load(&spec).expect("a vocabulary")
});
static HASHER: LazyLock<Hasher> = LazyLock::new(|| Hasher::new(&[7; 16]));

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    let read = |bytes: Bytes| decode(bytes, &VOCABULARY, &HASHER, 10_000);
    let Ok(member) = read(bytes.clone()) else {
        let _ = split(&bytes, 3, 100);
        return;
    };
    assert!(!RECORD_FIELDS.is_empty());
    let clean = read(member.forward()).expect("what is overwritten stays sound");
    assert!(clean.secrets.is_empty() && clean.rows.len() == member.rows.len());
    let (rows, spans) = (member.rows.len(), member.spans);
    let mut batch = SpanBatch::from_members(vec![member]);
    for row in (0..rows).step_by(2) {
        let texts = Text::ALL.iter().filter_map(|&column| Some(batch.locate(row)?.0.string(batch.record(row)?.text(column)).len()));
        let most = texts.max().unwrap_or_default();
        batch.annotate(row, [("a.size".to_owned(), Annotation::Int(most as i64)), ("x".to_owned(), Annotation::Text("**".to_owned()))]);
    }
    let sent = batch.encode().remove(0);
    let again = read(sent.clone()).expect("what is annotated stays sound");
    assert!(again.secrets.is_empty() && again.rows.len() == rows && again.spans == spans);
    for (row, before) in again.rows.iter().zip(&clean.rows) {
        assert_eq!((row.trace_id, row.path, row.start), (before.trace_id, before.path, before.start));
    }
    let parts = split(&sent, 2, 200).expect("what decode takes split takes");
    assert_eq!(parts.iter().map(|part| part.1).sum::<u32>(), spans);
    for (part, spans) in parts {
        assert_eq!(read(part).expect("a part is a request").spans, spans);
    }
});
