//! OTLP/JSON to protobuf, as lax as the Collector's reader.

pub(crate) mod base64;
mod reader;
mod schema;
mod transcode;

pub use transcode::transcode;
