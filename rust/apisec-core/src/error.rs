//! One error for bytes that cannot be read: where, and what is wrong there.

use std::fmt;

/// What every fallible function of the codec returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Refused input. Prints as `offset 8123: length 4294967295 past the end (8190)`.
///
/// One pointer wide, so that results travel in registers.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Fault>);

/// Where, and what: `error.offset`, `error.what`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Byte offset into the input, where what is wrong begins.
    pub offset: usize,
    /// What is wrong.
    pub what: What,
}

/// What is wrong with the bytes at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The input ends inside a field.
    Truncated,
    /// A varint of more than ten bytes.
    Varint,
    /// A tag that names no field or does not fit 32 bits.
    Tag(u64),
    /// Wire type 6 or 7.
    WireType(u8),
    /// The end of a group that was not begun, or of another one.
    Group(u32),
    /// A length that passes the end of its message.
    Length {
        /// The length as written.
        length: u64,
        /// Where the message ends.
        end: usize,
    },
    /// Messages or groups nested deeper than the limit.
    Depth(u32),
    /// More spans than the limit.
    Spans(u32),
    /// More bytes than offsets of 32 bits can name.
    Size(usize),
    /// JSON that is not OTLP; the text says why.
    Json(&'static str),
    /// A shard of a snapshot that is none; the text says why.
    Snapshot(&'static str),
}

impl Error {
    /// An error at `offset`; kept out of line, off the hot path.
    #[cold]
    #[inline(never)]
    pub fn new(offset: usize, what: What) -> Self {
        Self(Box::new(Fault { offset, what }))
    }
}

impl std::ops::Deref for Error {
    type Target = Fault;

    fn deref(&self) -> &Fault {
        &self.0
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {}: {}", self.offset, self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => write!(f, "ends inside a field"),
            Self::Varint => write!(f, "varint longer than 10 bytes"),
            Self::Tag(tag) => write!(f, "tag {tag} names no field"),
            Self::WireType(wire) => write!(f, "wire type {wire} does not exist"),
            Self::Group(field) => write!(f, "end of group {field}, which is not open"),
            Self::Length { length, end } => write!(f, "length {length} past the end ({end})"),
            Self::Depth(limit) => write!(f, "nested deeper than {limit}"),
            Self::Spans(limit) => write!(f, "more than {limit} spans"),
            Self::Size(size) => write!(f, "{size} bytes, more than 2 GiB"),
            Self::Json(why) | Self::Snapshot(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Error {}
