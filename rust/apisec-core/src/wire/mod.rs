//! Protobuf's wire format: a cursor that names the offset of whatever is wrong, and never reads past its message.
#![deny(clippy::indexing_slicing)]

mod cursor;
mod write;

pub(crate) use cursor::deeper;
pub use cursor::{Cursor, Slice, bits32, bits64, length, varint};
pub use write::{put_bytes, put_length, put_padded, put_varint, varint_width};
