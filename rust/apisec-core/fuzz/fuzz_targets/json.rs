//! Any text: what is taken as OTLP/JSON is a sound request, and nothing panics.
#![no_main]

use std::sync::LazyLock;

use apisec_core::codec::{Vocabulary, decode, json::transcode};
use apisec_core::hash::Hasher;
use libfuzzer_sys::fuzz_target;

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| Vocabulary::load(r#"{"kinds": [2], "columns": []}"#).expect("a vocabulary"));

fuzz_target!(|data: &[u8]| {
    if let Ok(request) = transcode(data) {
        let decoded = decode(request.into(), &VOCABULARY, &Hasher::new(&[7; 16]), u32::MAX);
        assert!(decoded.is_ok(), "{decoded:?}");
    }
});
