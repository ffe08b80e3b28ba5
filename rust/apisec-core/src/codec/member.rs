//! One received request: its bytes, the rows kept of it and the ranges that are secret.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::record::{Record, Slice};

/// A stretch of the request to be overwritten with `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Offset of its first byte.
    pub at: u32,
    /// Length in bytes, never 0.
    pub len: u32,
    /// Index of its name in [`Member::secret_names`].
    pub key: u16,
}

/// One `ExportTraceServiceRequest`, decoded. Its bytes are never changed.
#[derive(Clone, Debug)]
pub struct Member {
    /// The request as received, decompressed.
    pub bytes: Bytes,
    /// Spans of any kind in it.
    pub spans: u32,
    /// Spans of a kept kind that are no rows: they have more attributes or longer texts than is analysed.
    pub over_limits: u32,
    /// The kept spans, in the order of the request.
    pub rows: Vec<Record>,
    /// Identities of one span in [`super::SAMPLE`], of any kind.
    pub sampled: Vec<u64>,
    /// By offset.
    pub secrets: Vec<Secret>,
    /// Names of secrets: header keys and query parameters of the vocabulary.
    pub secret_names: Arc<[String]>,
    /// Texts that stand nowhere in the request (constants, numbers, joined lists); slices from `bytes.len()` on lie here.
    pub(crate) made: Vec<u8>,
}

impl Member {
    /// A request without spans.
    pub fn empty() -> Self {
        Self {
            bytes: Bytes::new(),
            spans: 0,
            over_limits: 0,
            rows: Vec::new(),
            sampled: Vec::new(),
            secrets: Vec::new(),
            secret_names: Arc::default(),
            made: Vec::new(),
        }
    }

    /// The bytes of a text column's slice. Always ask here: some texts do not lie in `bytes`.
    #[inline]
    pub fn text(&self, slice: Slice) -> &[u8] {
        text(&self.bytes, &self.made, slice)
    }

    /// As [`Member::text`], as a string, invalid UTF-8 replaced by U+FFFD.
    pub fn string(&self, slice: Slice) -> Cow<'_, str> {
        String::from_utf8_lossy(self.text(slice))
    }

    /// What is sent on when nothing is annotated: the bytes that came, or a copy without the secrets.
    pub fn forward(&self) -> Bytes {
        if self.secrets.is_empty() {
            return self.bytes.clone();
        }
        let mut copy = self.bytes.to_vec();
        for secret in &self.secrets {
            let range = secret.at as usize..secret.at as usize + secret.len as usize;
            copy.get_mut(range).unwrap_or_default().fill(b'*');
        }
        copy.into()
    }
}

/// A slice's bytes, which lie in the request or, from its end on, in the texts made.
#[inline]
pub(crate) fn text<'a>(bytes: &'a [u8], made: &'a [u8], slice: Slice) -> &'a [u8] {
    match (slice.at as usize).checked_sub(bytes.len()) {
        None => slice.of(bytes),
        Some(at) => made.get(at..at + slice.len as usize).unwrap_or_default(),
    }
}
