//! OTLP server and client: sockets, TLS, framing, compression, delivery. Knows no span.
//!
//! One native thread does the I/O. A request comes in (`listen`, `serve`, `receive`, `body`), is
//! decompressed and decoded by the codec that was handed in (`admit`), waits for the engine
//! (`mailbox`) and leaves (`merge`, `deliver`, `export`); the backend's answer is its reply (`answer`).

pub mod admit;
mod answer;
mod body;
mod channel;
pub mod compress;
pub mod config;
mod connect;
pub mod counters;
mod deliver;
pub mod delivered;
mod drain;
pub mod export;
mod iobuf;
mod keepalive;
mod limits;
mod listen;
pub mod mailbox;
pub mod merge;
pub mod otlp;
pub mod outbox;
mod pool;
mod receive;
pub mod reply;
pub mod request;
mod resume;
pub mod runtime;
mod serve;
mod tls;
mod verdict;
mod wire;

pub use listen::exposed;
