//! Codec, keyed tables and plan of apisec-otel. No I/O, no Python, no attack and no attribute name.
#![forbid(unsafe_code)]

pub mod codec;
pub mod error;
pub mod hash;
pub mod kernels;
pub mod plan;
pub mod rows;
pub mod snapshot;
pub mod table;
pub mod text;
pub mod wire;
