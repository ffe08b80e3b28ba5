//! OTLP/JSON to protobuf, as lax as the Collector's reader.

mod base64;
mod reader;
mod schema;
mod transcode;

pub use transcode::transcode;
