//! Request bytes to rows, and back: the bytes that came, with annotations spliced in and secrets overwritten.
#![deny(clippy::indexing_slicing)]

mod attributes;
mod batch;
mod decode;
mod encode;
mod identity;
pub mod json;
mod keys;
mod member;
mod reading;
mod record;
mod row;
pub(crate) mod secrets;
mod split;
pub(crate) mod token;
mod value;
mod vocabulary;

pub use attributes::visit_attributes;
pub use batch::{Pair, Reason, SpanBatch};
pub use decode::decode;
pub use encode::{Annotation, Annotations, encode};
pub use identity::{SAMPLE, identities};
pub use member::{Member, Secret};
pub use record::{
    ALONE, ANONYMOUS, CUSTOM, HTTP, JOINED, MARKS, MERGED, PAIRED, PROXIED, RECORD_FIELDS,
    RESERVED, Record, SENDS, Slice, Text, WAITS, WIDE,
};
pub use split::{merge, split, without};
pub use vocabulary::Vocabulary;

/// Levels of messages and groups below the request itself.
pub const DEPTH: u32 = 64;

/// Field numbers and tags of OTLP's trace messages (opentelemetry-proto, `trace/v1` and `common/v1`).
pub(crate) mod tags {
    use crate::wire::{bits64, length, varint};

    pub const RESOURCE_SPANS: u32 = length(1);
    pub const RESOURCE: u32 = length(1);
    pub const SCOPE_SPANS: u32 = length(2);
    pub const RESOURCE_ATTRIBUTES: u32 = length(1);
    pub const SCOPE: u32 = length(1);
    pub const SPANS: u32 = length(2);
    pub const SCOPE_NAME: u32 = length(1);
    pub const SCOPE_ATTRIBUTES: u32 = length(3);
    pub const TRACE_ID: u32 = length(1);
    pub const SPAN_ID: u32 = length(2);
    pub const STATE: u32 = length(3);
    pub const PARENT_ID: u32 = length(4);
    pub const NAME: u32 = length(5);
    pub const KIND: u32 = varint(6);
    pub const START: u32 = bits64(7);
    pub const END: u32 = bits64(8);
    pub const ATTRIBUTES: u32 = length(9);
    pub const EVENTS: u32 = length(11);
    pub const LINKS: u32 = length(13);
    pub const STATUS: u32 = length(15);
    pub const EVENT_ATTRIBUTES: u32 = length(3);
    pub const LINK_ATTRIBUTES: u32 = length(4);
    pub const KEY: u32 = length(1);
    pub const VALUE: u32 = length(2);
    pub const STRING: u32 = length(1);
    pub const BOOL: u32 = varint(2);
    pub const INT: u32 = varint(3);
    pub const DOUBLE: u32 = bits64(4);
    pub const ARRAY: u32 = length(5);
    pub const MAP: u32 = length(6);
    pub const BYTES: u32 = length(7);
    pub const INDEX: u32 = varint(8);
    pub const VALUES: u32 = length(1);
}
