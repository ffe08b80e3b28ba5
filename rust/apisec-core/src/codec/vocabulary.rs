//! Which attributes feed which column: data handed over at start, compiled for one look-up an attribute.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use super::keys::Keys;
use super::record::{CUSTOM, Slice, Text};
use super::secrets::{Ends, Secrecy};

/// The JSON as handed over.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    kinds: Vec<i32>,
    #[serde(default)]
    scope_route_names: Vec<String>,
    #[serde(default)]
    missing: Vec<String>,
    #[serde(default)]
    reserved: String,
    /// Any key may say what was sent when this is not given.
    sent: Option<Vec<String>>,
    columns: Vec<ColumnSpec>,
    #[serde(default)]
    secret_headers: Vec<String>,
    #[serde(default)]
    query_carriers: Vec<String>,
    #[serde(default)]
    secret_queries: Vec<String>,
    #[serde(default)]
    limits: Limits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnSpec {
    column: String,
    sources: Vec<SourceSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceSpec {
    at: Place,
    key: String,
    #[serde(rename = "as")]
    reading: String,
}

/// What of one span is analysed at most.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    pub attributes: u32,
    pub text: u32,
    pub depth: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attributes: 1024,
            text: 16384,
            depth: super::DEPTH,
        }
    }
}

/// Whose attributes are read.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    /// The span's own.
    Span,
    /// Those of its resource.
    Resource,
    /// Of a scope, event or link: they feed no column.
    #[serde(skip)]
    Elsewhere,
}

/// Numeric columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    Status,
    RequestSize,
    ResponseSize,
}

/// A column that attributes feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Text(Text),
    Number(Number),
    /// Sets a bit of `Record::marks`.
    Mark(u32),
    /// One that configuration names.
    Custom(u8),
}

/// Columns that compete for a value: texts, numbers, marks.
pub(crate) const COLUMNS: usize = Text::ALL.len() + 3 + 1 + CUSTOM;

impl Column {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "status" => Self::Number(Number::Status),
            "request_size" => Self::Number(Number::RequestSize),
            "response_size" => Self::Number(Number::ResponseSize),
            "http" => Self::Mark(super::HTTP),
            "name" | "scope" | "state" => return None,
            _ => match name.strip_prefix("custom.") {
                Some(number) => {
                    Self::Custom(number.parse().ok().filter(|n| usize::from(*n) < CUSTOM)?)
                }
                None => Self::Text(Text::named(name)?),
            },
        })
    }

    /// Its place in the row's ranks.
    #[inline]
    pub fn index(self) -> usize {
        match self {
            Self::Text(text) => text as usize,
            Self::Number(number) => Text::ALL.len() + number as usize,
            Self::Mark(_) => Text::ALL.len() + 3,
            Self::Custom(column) => COLUMNS - CUSTOM + column as usize,
        }
    }
}

/// How a column's value is taken from an attribute's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Text,
    Number,
    First,
    Last,
    Joined,
    TargetPath,
    TargetQuery,
    UrlPath,
    UrlQuery,
    UrlHost,
    UrlScheme,
    Host,
    GrpcStatus,
    Flag,
    /// A credential, whose scheme alone says nothing.
    Credential,
    /// The cookie whose name is a stretch of `constants`.
    Cookie(Slice),
    /// Claims of a token, whose names with commas between are a stretch of `constants`.
    Claims(Slice),
    /// A text of the vocabulary: a stretch of `constants`.
    Constant(Slice),
}

impl Reading {
    fn named(name: &str, constants: &mut Vec<u8>) -> Option<Self> {
        Some(match name {
            "text" => Self::Text,
            "number" => Self::Number,
            "list" => Self::First,
            "last" => Self::Last,
            "joined" => Self::Joined,
            "target.path" => Self::TargetPath,
            "target.query" => Self::TargetQuery,
            "url.path" => Self::UrlPath,
            "url.query" => Self::UrlQuery,
            "url.host" => Self::UrlHost,
            "url.scheme" => Self::UrlScheme,
            "host" => Self::Host,
            "grpc_status" => Self::GrpcStatus,
            "flag" => Self::Flag,
            "credential" => Self::Credential,
            _ => {
                let (kind, text) = name.split_once(':')?;
                let make = match kind {
                    "constant" => Self::Constant,
                    "cookie" => Self::Cookie,
                    "claims" => Self::Claims,
                    _ => return None,
                };
                let at = constants.len();
                constants.extend_from_slice(text.as_bytes());
                make(Slice::new(at, constants.len()))
            }
        })
    }
}

/// One use of an attribute: the column that it feeds, unless a use of lower rank did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use {
    pub column: Column,
    pub rank: u8,
    pub reading: Reading,
}

/// All that is to be done with the attributes of one key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub secrecy: Option<Secrecy>,
    pub on_span: Vec<Use>,
    pub on_resource: Vec<Use>,
}

/// The compiled vocabulary; shared by all decoders.
#[derive(Debug)]
pub struct Vocabulary {
    pub(crate) kinds: Vec<i32>,
    pub(crate) route_scopes: Vec<Vec<u8>>,
    missing: Vec<Vec<u8>>,
    missing_lengths: u64,
    pub(crate) reserved: Vec<u8>,
    /// Beginnings of keys under which it is recorded what was sent, with their first eight bytes.
    sent: Option<Vec<([u8; 8], Vec<u8>)>>,
    pub(crate) keys: Keys,
    /// Bit n: custom column n is an id.
    pub(crate) custom_ids: u8,
    /// Those that may hold secrets, for attributes that feed no column.
    pub(crate) secret_keys: Keys,
    pub(crate) secret_queries: Vec<(Vec<u8>, u16)>,
    /// Bit n: some secret query name has n bytes.
    pub(crate) query_lengths: u64,
    pub(crate) query_ends: Ends,
    pub(crate) secret_names: Arc<[String]>,
    pub(crate) constants: Vec<u8>,
    pub(crate) limits: Limits,
}

impl Vocabulary {
    /// Compiles the JSON of the contract; the error is a sentence for whoever wrote it.
    pub fn load(spec: &str) -> std::result::Result<Self, String> {
        let spec: Spec =
            serde_json::from_str(spec).map_err(|error| format!("vocabulary: {error}"))?;
        let mut constants = Vec::new();
        let mut entries: HashMap<Vec<u8>, Entry> = HashMap::new();
        for column in &spec.columns {
            add_column(column, &mut entries, &mut constants)?;
        }
        let custom_ids = entries
            .values()
            .flat_map(|entry| entry.on_span.iter().chain(&entry.on_resource))
            .fold(0, |ids, wanted| match wanted {
                Use {
                    column: Column::Custom(column),
                    reading: Reading::First,
                    ..
                } => ids | 1 << column,
                _ => ids,
            });
        let mut names = Vec::new();
        for key in &spec.secret_headers {
            entries.entry(key.clone().into_bytes()).or_default().secrecy =
                Some(Secrecy::Whole(name(&mut names, key)?));
        }
        for key in &spec.query_carriers {
            entries
                .entry(key.clone().into_bytes())
                .or_default()
                .secrecy
                .get_or_insert(Secrecy::Query);
        }
        let mut secret_queries = Vec::new();
        for query in &spec.secret_queries {
            secret_queries.push((
                query.to_ascii_lowercase().into_bytes(),
                name(&mut names, query)?,
            ));
        }
        let beginnings = spec
            .sent
            .map(|keys| keys.into_iter().map(beginning).collect());
        Ok(Self {
            custom_ids,
            sent: beginnings.transpose()?,
            kinds: spec.kinds,
            route_scopes: spec
                .scope_route_names
                .into_iter()
                .map(String::into_bytes)
                .collect(),
            missing_lengths: spec
                .missing
                .iter()
                .fold(0, |mask, text| mask | 1 << text.len().min(63)),
            missing: spec.missing.into_iter().map(String::into_bytes).collect(),
            reserved: spec.reserved.into_bytes(),
            secret_keys: Keys::new(
                entries
                    .iter()
                    .filter(|(_, entry)| entry.secrecy.is_some())
                    .map(|(key, entry)| (key.clone(), entry.clone()))
                    .collect(),
            ),
            keys: Keys::new(entries),
            query_lengths: secret_queries
                .iter()
                .fold(0, |mask, (query, _)| mask | 1 << query.len().min(63)),
            query_ends: Ends::new(secret_queries.iter().map(|(query, _)| query.as_slice())),
            secret_queries,
            secret_names: names.into(),
            constants,
            limits: Limits {
                depth: spec.limits.depth.min(super::DEPTH),
                ..spec.limits
            },
        })
    }

    /// Whether it may be recorded under any key what was sent.
    pub(crate) fn sends_anywhere(&self) -> bool {
        self.sent.is_none()
    }

    /// Whether it is recorded under a key what was sent; most keys are told apart by their first eight bytes.
    #[inline]
    pub(crate) fn sends(&self, key: &[u8]) -> bool {
        let (Some(first), Some(sent)) = (key.first_chunk::<8>(), &self.sent) else {
            return false;
        };
        sent.iter()
            .any(|(head, beginning)| head == first && key.starts_with(beginning))
    }

    /// Whether a text stands for a value that is not there: listed, or asterisks only.
    #[inline]
    pub(crate) fn is_missing(&self, text: &[u8]) -> bool {
        if text.first().is_none_or(|&byte| byte == b'*') && text.iter().all(|&byte| byte == b'*') {
            return true;
        }
        self.missing_lengths >> text.len().min(63) & 1 == 1
            && self.missing.iter().any(|missing| missing == text)
    }

    /// Whether spans of this kind are kept as rows.
    #[inline]
    pub(crate) fn keeps(&self, kind: i32) -> bool {
        self.kinds.contains(&kind)
    }
}

fn beginning(key: String) -> std::result::Result<([u8; 8], Vec<u8>), String> {
    match key.as_bytes().first_chunk::<8>() {
        Some(first) => Ok((*first, key.into_bytes())),
        None => Err(format!(
            "vocabulary: `sent` holds {key:?}; eight bytes are the least"
        )),
    }
}

fn name(names: &mut Vec<String>, name: &str) -> std::result::Result<u16, String> {
    let index = names
        .iter()
        .position(|known| known == name)
        .unwrap_or_else(|| {
            names.push(name.to_owned());
            names.len() - 1
        });
    u16::try_from(index).map_err(|_| "vocabulary: more than 65536 secrets".to_owned())
}

fn add_column(
    spec: &ColumnSpec,
    entries: &mut HashMap<Vec<u8>, Entry>,
    constants: &mut Vec<u8>,
) -> std::result::Result<(), String> {
    let name = &spec.column;
    let column = Column::named(name).ok_or_else(|| format!("vocabulary: no column {name}"))?;
    for (rank, source) in spec.sources.iter().enumerate() {
        let rank = u8::try_from(rank).ok().filter(|&rank| rank < u8::MAX);
        let rank =
            rank.ok_or_else(|| format!("vocabulary: column {name} has more than 255 sources"))?;
        let reading = Reading::named(&source.reading, constants);
        let reading = reading
            .ok_or_else(|| format!("vocabulary: column {name}: no reading {}", source.reading))?;
        let entry = entries.entry(source.key.clone().into_bytes()).or_default();
        let uses = if source.at == Place::Resource {
            &mut entry.on_resource
        } else {
            &mut entry.on_span
        };
        uses.push(Use {
            column,
            rank,
            reading,
        });
    }
    Ok(())
}
