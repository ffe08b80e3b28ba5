//! From decoded rows to requests, endpoints and sessions: the three steps between the codec and the plan.
//!
//! Each step fills the derived fields of the records of a batch, in row order, so that the answer never
//! depends on how the stream is cut into batches.

pub mod address;
pub mod calls;
pub mod columns;
pub mod coverage;
pub mod endpoints;
pub mod learned;
pub mod links;
pub mod memo;
pub mod pages;
pub mod parts;
pub mod payload;
pub mod query;
pub mod ranks;
pub mod requests;
pub mod retries;
pub mod sessions;
pub mod settled;
pub mod sketch;
pub mod steps;
pub mod stream;
pub mod template;
pub mod tree;
