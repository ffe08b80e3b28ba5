//! The plan as it crosses from Python: one JSON text. Nothing here is believed; `check.rs` verifies it.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

/// Why a plan was refused. It repeats what Python has checked, so it reads as a bug report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(pub String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// The only version there is.
pub const VERSION: u32 = 1;

#[derive(Debug, Deserialize)]
pub struct PlanSpec {
    pub version: u32,
    pub nodes: Vec<NodeSpec>,
    #[serde(default)]
    pub tables: Vec<TableSpec>,
    #[serde(default)]
    pub signals: Vec<SignalSpec>,
}

#[derive(Debug, Deserialize)]
pub struct NodeSpec {
    pub op: String,
    pub kind: String,
    #[serde(default)]
    pub args: Vec<usize>,
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// What the state of a kernel computes; without it the state is not kept in snapshots.
    #[serde(default)]
    pub identity: String,
    pub table: Option<usize>,
    pub pending: Option<usize>,
    pub asked: Option<Vec<usize>>,
}

#[derive(Debug, Deserialize)]
pub struct TableSpec {
    pub key: usize,
    #[serde(default)]
    pub identity: String,
    pub bytes: u64,
    pub expiry: i64,
}

#[derive(Debug, Deserialize)]
pub struct SignalSpec {
    #[serde(default)]
    pub detector: String,
    #[serde(default)]
    pub index: u32,
    pub when: Option<usize>,
    pub p: Option<usize>,
    pub q: f64,
    pub entity: usize,
    pub severity: SeveritySpec,
    #[serde(default)]
    pub evidence: Vec<(String, usize, Option<usize>)>,
    #[serde(default)]
    pub flags: bool,
    pub ranks: Option<usize>,
}

#[derive(Debug, Deserialize)]
pub struct SeveritySpec {
    pub level: Option<u8>,
    pub node: Option<usize>,
}
