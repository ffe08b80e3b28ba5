//! Who asked and in which session.

use crate::codec::record::Record;
use crate::codec::SpanBatch;
use crate::hash::{self, Hasher};
use crate::table::Table;
use serde::Deserialize;

/// What the processor `sessions` hands over at start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A session ends after this long without a request, in nanoseconds.
    pub idle: i64,
    /// and after this long in any case, in nanoseconds.
    pub longest: i64,
    /// The sources of the session's key, first present wins: `session`, `principal`, `client`.
    pub order: Vec<Source>,
    /// Cap of the table, in bytes.
    pub bytes: usize,
}

/// Where a session's key comes from.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The application's own session id.
    Session,
    /// The principal.
    Principal,
    /// The client address with the user agent.
    Client,
}
