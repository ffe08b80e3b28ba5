//! What the codec promises, on requests written by hand. Random ones: tests/property and fuzz.
#![allow(clippy::unwrap_used)]

use apisec_core::codec::{Annotation, SpanBatch, Vocabulary, decode, merge, split};
use apisec_core::hash::Hasher;
use apisec_core::wire::put_bytes;
use bytes::Bytes;

const SPEC: &str = r#"{
  "kinds": [2], "missing": ["-"], "reserved": "apisec.",
  "columns": [
    {"column": "service", "sources": [{"at": "resource", "key": "service.name", "as": "text"}]},
    {"column": "path", "sources": [{"at": "span", "key": "url.path", "as": "text"}, {"at": "span", "key": "http.target", "as": "target.path"}]}
  ],
  "secret_headers": ["h.cookie"], "query_carriers": ["http.target"], "secret_queries": ["token"]
}"#;

fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, number, bytes);
    out
}

fn attribute(number: u32, key: &str, text: &str) -> Vec<u8> {
    let value = field(2, &field(1, text.as_bytes()));
    field(number, &[field(1, key.as_bytes()), value].concat())
}

fn request(resource: &[Vec<u8>], span: &[Vec<u8>]) -> Bytes {
    let scope = field(2, &field(2, &span.concat()));
    let resource = field(1, &resource.concat());
    field(1, &[scope, resource].concat()).into()
}

fn batch(bytes: &Bytes) -> SpanBatch {
    let vocabulary = Vocabulary::load(SPEC).unwrap();
    let member = decode(bytes.clone(), &vocabulary, &Hasher::new(&[1; 16]), 1000).unwrap();
    SpanBatch::from_members(vec![member])
}

fn texts(batch: &SpanBatch) -> (String, String) {
    let (member, row) = batch.locate(0).unwrap();
    let record = member.rows[row];
    (
        member.string(record.service_text).into_owned(),
        member.string(record.path_text).into_owned(),
    )
}

const KIND: [u8; 2] = [6 << 3, 2];

#[test]
fn kind_behind_the_attributes_and_resource_behind_the_spans() {
    let resource = [attribute(1, "service.name", "shop")];
    let span = [
        attribute(9, "http.target", "/old?x"),
        attribute(9, "url.path", "/new"),
    ];
    let bytes = request(&resource, &[&span[..], &[KIND.to_vec()]].concat());
    assert_eq!(texts(&batch(&bytes)), ("shop".into(), "/new".into()));
}

#[test]
fn the_last_kind_counts() {
    let client = vec![6 << 3, 3];
    let path = attribute(9, "url.path", "/a");
    let bytes = request(&[], &[client.clone(), path.clone(), KIND.to_vec()]);
    assert_eq!(texts(&batch(&bytes)).1, "/a");
    let bytes = request(&[], &[KIND.to_vec(), path, client]);
    assert!(batch(&bytes).is_empty());
}

#[test]
fn untouched_requests_are_not_copied() {
    let bytes = request(
        &[],
        &[KIND.to_vec(), attribute(9, "http.target", "/a?token=***&b")],
    );
    let sent = batch(&bytes).encode().remove(0);
    assert!(std::ptr::eq(sent.as_ref(), bytes.as_ref()));
    let parts = split(&bytes, 10, 1000).unwrap();
    assert!(std::ptr::eq(parts[0].0.as_ref(), bytes.as_ref()));
    assert!(std::ptr::eq(
        merge(std::slice::from_ref(&bytes)).as_ref(),
        bytes.as_ref()
    ));
}

#[test]
fn secrets_go_everywhere_and_nothing_else_changes() {
    let event = field(11, &attribute(3, "h.cookie", "abc"));
    let bytes = request(
        &[attribute(1, "h.cookie", "def")],
        &[attribute(9, "http.target", "/a?token=xyz&b=1"), event],
    );
    let sent = batch(&bytes).encode().remove(0);
    let expected = String::from_utf8_lossy(&bytes)
        .replace("abc", "***")
        .replace("def", "***")
        .replace("xyz", "***");
    assert_eq!(String::from_utf8_lossy(&sent), expected);
}

#[test]
fn annotations_patch_lengths_and_keep_their_width() {
    // The span's length is written in three bytes where one would do.
    let span = [KIND.to_vec(), attribute(9, "apisec.old", "1")].concat();
    let overlong = [&[2 << 3 | 2, span.len() as u8 | 0x80, 0x80, 0][..], &span].concat();
    let bytes: Bytes = field(1, &field(2, &overlong)).into();
    let mut batch = batch(&bytes);
    let text = |text: &str| Annotation::Text(text.to_owned());
    batch.annotate(0, [("apisec.old".to_owned(), text("2"))]);
    let sent = batch.encode().remove(0);
    assert_eq!(sent.len(), bytes.len());
    assert_eq!(sent[..sent.len() - 1], bytes[..bytes.len() - 1]);
    assert_eq!(sent.last(), Some(&b'2'));
    batch.annotate(0, [("apisec.long".to_owned(), text(&"x".repeat(300)))]);
    let sent = batch.encode().remove(0);
    let again = self::batch(&sent);
    assert_eq!(again.len(), 1);
}

#[test]
fn a_hostile_envelope_is_not_multiplied() {
    let spans: Vec<u8> = (0..2000).flat_map(|_| field(2, &[0x28, 0])).collect();
    for envelope in [900, 40_000] {
        let resource = field(1, &field(9, &vec![0; envelope]));
        let bytes: Bytes = field(1, &[resource, field(2, &spans)].concat()).into();
        let parts = split(&bytes, 1000, 1000).unwrap();
        let total: usize = parts.iter().map(|(part, _)| part.len()).sum();
        assert_eq!(parts.iter().map(|(_, spans)| spans).sum::<u32>(), 2000);
        assert!(total < 4 * bytes.len(), "{total} of {}", bytes.len());
    }
}
