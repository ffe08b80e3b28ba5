//! ASCII that is written as something else, and whether bytes beyond ASCII are UTF-8.

use super::classes;
use super::decode::{Met, full_width};

/// What overlong encodings are used for.
const HIDDEN: &[u8] = b"./\\<>'\"";
/// Full-width marks that East Asian text uses.
const USUAL: &[u8] = b",:!?()";

/// Writes a lower-case text with overlong and full-width ASCII as plain ASCII; the class of its bytes beyond ASCII.
pub fn fold(text: &[u8], out: &mut Vec<u8>, met: &mut Met) -> u64 {
    out.clear();
    let (mut rest, mut invalid, mut unusual) = (text, false, false);
    while let Some(&first) = rest.first() {
        let length = sequence(rest);
        let (taken, after) = rest.split_at(length.max(1));
        match taken {
            [0xC0 | 0xC1, low] => {
                let hidden = (first & 1) << 6 | (low & 0x3F);
                met.note(Met::OVERLONG, HIDDEN.contains(&hidden));
                out.push(hidden.to_ascii_lowercase());
            }
            [0xEF, middle, low] => match full_width(three(*middle, *low)) {
                Some(ascii) => {
                    unusual |= !ascii.is_ascii_alphanumeric() && !USUAL.contains(&ascii);
                    out.push(ascii.to_ascii_lowercase());
                }
                None => out.extend_from_slice(taken),
            },
            _ => out.extend_from_slice(taken),
        }
        invalid |= length == 0;
        rest = after;
    }
    let breaks_out = unusual && out.iter().any(|byte| b"<'/".contains(byte));
    met.note(Met::FULL_WIDTH, breaks_out);
    if invalid {
        classes::NOT_UTF8
    } else {
        classes::UTF8
    }
}

/// The code point of three bytes that begin with 0xEF.
fn three(middle: u8, low: u8) -> u32 {
    0xF000 | u32::from(middle & 0x3F) << 6 | u32::from(low & 0x3F)
}

/// The length of the sequence that a text begins with, by its first byte; 0 where bytes of it are wrong or missing.
fn sequence(text: &[u8]) -> usize {
    let length = match text[0] {
        0..0x80 => return 1,
        0x80..0xC0 => return 0,
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0.. => 4,
    };
    let follows = |byte: &u8| byte & 0xC0 == 0x80;
    match text.get(1..length) {
        Some(tail) if tail.iter().all(follows) => length,
        _ => 0,
    }
}
