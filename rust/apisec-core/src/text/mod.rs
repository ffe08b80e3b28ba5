//! What a text of a request looks like: length, character classes, shape and how much it reads as syntax.
//!
//! Pure: a text in, numbers out. It is decoded first, as the application would. Which words and literals are suspicious
//! comes from outside (see [`Syntax`]).

pub mod classes;
pub mod decode;
mod fold;
mod syntax;

pub use decode::{Decoded, Met};
pub use syntax::{Error, Syntax};

/// At most so many bytes of a text are looked at.
pub const LONGEST: usize = 4096;
/// The family of a text without any syntax.
pub const NO_FAMILY: u8 = u8::MAX;

/// Buffers to be used again from text to text.
#[derive(Debug, Default)]
pub struct Scratch {
    decoding: decode::Buffers,
    scoring: syntax::Seen,
}

/// What is kept of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Bucket of the decoded length: 0 to 16 exact, then two an octave, at most 31.
    pub length: u8,
    /// Set of the character classes in it, see [`classes`].
    pub classes: u64,
    /// Hash of its first 24 runs of like characters, as in `Aa aa9`.
    pub shape: u16,
    /// How much it reads as syntax, 0 to 16, in half decades of rarity.
    pub syntax: u8,
    /// Of which family, by its place in the syntax; [`NO_FAMILY`] for none.
    pub family: u8,
}

/// Looks at a text as it was sent. `plus`: a `+` is a space; `body`: line breaks are usual where it comes from.
pub fn features(
    raw: &[u8],
    plus: bool,
    body: bool,
    syntax: &Syntax,
    scratch: &mut Scratch,
) -> Features {
    let text = decode::decode(raw, plus, &mut scratch.decoding);
    let (score, family) = syntax.score(&text, body, &mut scratch.scoring);
    Features {
        length: classes::length_bucket(text.bytes.len()),
        classes: text.classes,
        shape: classes::shape(text.bytes),
        syntax: score,
        family,
    }
}
