//! A text as an application reads it: percent-decoded, and folded to lower-case ASCII where it can be.

use super::{LONGEST, classes, fold};

/// How often an application may decode one after the other.
const LAYERS: usize = 3;
/// What a browser encodes in texts that nobody tampered with; the rest is a metacharacter.
const HARMLESS: &[u8] = b" ,:/&=?%|+#@";
/// `!` to `~`, full-width.
const FULL_WIDTH: std::ops::RangeInclusive<u32> = 0xFF01..=0xFF5E;

/// Buffers of the layers and of what is folded.
#[derive(Debug, Default)]
pub struct Buffers {
    layers: [Vec<u8>; 2],
    lower: Vec<u8>,
    folded: Vec<u8>,
}

/// What encodings were met: a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met(pub u8);

impl Met {
    /// A metacharacter, percent-encoded more than once.
    pub const DOUBLE: Self = Self(1);
    /// An ASCII character as `%uXXXX`.
    pub const PERCENT_U: Self = Self(2);
    /// A dot, slash, quote or angle bracket in more bytes than it needs.
    pub const OVERLONG: Self = Self(4);
    /// NUL.
    pub const NUL: Self = Self(8);
    /// Carriage return or line feed.
    pub const LINE_BREAK: Self = Self(16);
    /// A full-width metacharacter.
    pub const FULL_WIDTH: Self = Self(32);
    /// An ASCII character as `\xXX` or `\u00XX`.
    pub const BACKSLASH: Self = Self(64);

    /// Whether all of `other` were met.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Adds `other` where `met`.
    pub(super) fn note(&mut self, other: Self, met: bool) {
        self.0 |= if met { other.0 } else { 0 };
    }
}

/// A decoded text.
#[derive(Clone, Copy, Debug)]
pub struct Decoded<'a> {
    /// Decoded as often as it was encoded.
    pub bytes: &'a [u8],
    /// The same in lower case, overlong and full-width ASCII as plain ASCII.
    pub folded: &'a [u8],
    /// What encodings it had.
    pub met: Met,
    /// Classes of `bytes` and of the encodings.
    pub classes: u64,
}

/// Decodes a text of which [`LONGEST`] bytes are looked at. `plus`: a `+` is a space.
pub fn decode<'a>(raw: &'a [u8], plus: bool, buffers: &'a mut Buffers) -> Decoded<'a> {
    let raw = &raw[..raw.len().min(LONGEST)];
    let (bytes, mut met) = percent(raw, plus, &mut buffers.layers);
    let mut classes = classes::classes(bytes);
    let mut folded = lower(bytes, classes, &mut buffers.lower);
    if classes & classes::HIGH != 0 {
        classes |= fold::fold(folded, &mut buffers.folded, &mut met);
        folded = &buffers.folded;
    }
    met.note(Met::NUL, classes & classes::NUL != 0);
    met.note(Met::LINE_BREAK, classes & classes::LINE_BREAK != 0);
    met.note(Met::BACKSLASH, has_backslash_escape(folded));
    for (encoding, class) in [
        (Met::DOUBLE, classes::DOUBLE_ENCODED),
        (Met::PERCENT_U, classes::PERCENT_U),
    ] {
        classes |= if met.has(encoding) { class } else { 0 };
    }
    Decoded {
        bytes,
        folded,
        met,
        classes,
    }
}

fn lower<'a>(bytes: &'a [u8], classes: u64, out: &'a mut Vec<u8>) -> &'a [u8] {
    if classes & classes::UPPER == 0 {
        return bytes;
    }
    out.clear();
    out.extend(bytes.iter().map(u8::to_ascii_lowercase));
    out
}

/// Decodes layer by layer while there is something to decode.
fn percent<'a>(raw: &'a [u8], plus: bool, [text, next]: &'a mut [Vec<u8>; 2]) -> (&'a [u8], Met) {
    let mut met = Met::default();
    if !(raw.contains(&b'%') || (plus && raw.contains(&b'+'))) {
        return (raw, met);
    }
    let mut layer = Layer::decode(raw, plus, text, &mut met);
    for _ in 1..LAYERS {
        if !layer.decoded || !text.contains(&b'%') {
            break;
        }
        layer = Layer::decode(text, false, next, &mut met);
        met.note(Met::DOUBLE, layer.metacharacter);
        std::mem::swap(text, next);
    }
    (text, met)
}

/// What decoding once did.
#[derive(Default)]
struct Layer {
    decoded: bool,
    metacharacter: bool,
}

impl Layer {
    fn decode(text: &[u8], plus: bool, out: &mut Vec<u8>, met: &mut Met) -> Self {
        out.clear();
        let (mut layer, mut rest) = (Self::default(), text);
        while let Some((&byte, after)) = rest.split_first() {
            let taken = if byte == b'%' {
                layer.escape(after, out, met)
            } else {
                0
            };
            if taken == 0 {
                out.push(if byte == b'+' && plus { b' ' } else { byte });
            }
            rest = &after[taken..];
        }
        layer
    }

    /// What stands after a `%`; how many bytes of it were decoded.
    fn escape(&mut self, after: &[u8], out: &mut Vec<u8>, met: &mut Met) -> usize {
        let (value, taken) = match after {
            [b'u' | b'U', digits @ ..] => (hexadecimal(digits, 4), 5),
            _ => (hexadecimal(after, 2), 2),
        };
        let Some(value) = value else { return 0 };
        self.decoded = true;
        if taken == 5 {
            push_unit(value, out, met);
        } else {
            let byte = value as u8;
            self.metacharacter |= is_metacharacter(byte);
            out.push(byte);
        }
        taken
    }
}

fn is_metacharacter(byte: u8) -> bool {
    byte.is_ascii() && !byte.is_ascii_alphanumeric() && !HARMLESS.contains(&byte)
}

/// The first digits of a text as a number.
fn hexadecimal(text: &[u8], digits: usize) -> Option<u32> {
    text.get(..digits)?.iter().try_fold(0, |value, &digit| {
        Some(value << 4 | char::from(digit).to_digit(16)?)
    })
}

/// A 16-bit unit as UTF-8, halves of a pair as they are; full-width as ASCII.
fn push_unit(unit: u32, out: &mut Vec<u8>, met: &mut Met) {
    let ascii = full_width(unit);
    met.note(Met::FULL_WIDTH, ascii.is_some());
    let unit = ascii.map_or(unit, u32::from);
    met.note(Met::PERCENT_U, unit < 0x80);
    match unit {
        0..0x80 => out.push(unit as u8),
        0x80..0x800 => out.extend([0xC0 | (unit >> 6) as u8, tail(unit)]),
        _ => out.extend([0xE0 | (unit >> 12) as u8, tail(unit >> 6), tail(unit)]),
    }
}

fn tail(bits: u32) -> u8 {
    0x80 | (bits & 0x3F) as u8
}

/// The ASCII character that a full-width one stands for.
pub(super) fn full_width(code: u32) -> Option<u8> {
    FULL_WIDTH.contains(&code).then(|| (code - 0xFEE0) as u8)
}

/// `\xXX` or `\u00XX`, in lower case; the last digit may be anything.
fn has_backslash_escape(text: &[u8]) -> bool {
    text.contains(&b'\\')
        && text
            .windows(4)
            .enumerate()
            .any(|(at, window)| match window {
                [b'\\', b'x', digit, _] => digit.is_ascii_hexdigit(),
                [b'\\', b'u', b'0', b'0'] => at + 5 < text.len(),
                _ => false,
            })
}
