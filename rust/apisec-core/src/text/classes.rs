//! Classes of characters, the shape and the length of a text.

/// Small letters of ASCII.
pub const LOWER: u64 = 1 << 0;
/// Capital letters of ASCII.
pub const UPPER: u64 = 1 << 1;
/// Decimal digits.
pub const DIGIT: u64 = 1 << 2;
/// The space alone.
pub const SPACE: u64 = 1 << 3;
/// The place of `!`; the other marks of [`MARKS`] follow.
pub const FIRST_MARK: usize = 4;
/// Punctuation, each mark a class of its own.
pub const MARKS: &[u8; 32] = b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
/// NUL.
pub const NUL: u64 = 1 << 36;
/// Carriage return or line feed.
pub const LINE_BREAK: u64 = 1 << 37;
/// Horizontal tab.
pub const TAB: u64 = 1 << 38;
/// Any other control character.
pub const CONTROL: u64 = 1 << 39;
/// A byte beyond ASCII.
pub const HIGH: u64 = 1 << 40;
/// Bytes beyond ASCII of which some make no UTF-8 sequence.
pub const NOT_UTF8: u64 = 1 << 41;
/// Bytes beyond ASCII that all make UTF-8 sequences.
pub const UTF8: u64 = 1 << 42;
/// A metacharacter that was percent-encoded more than once.
pub const DOUBLE_ENCODED: u64 = 1 << 43;
/// An ASCII character written as `%uXXXX`.
pub const PERCENT_U: u64 = 1 << 44;

/// Runs that make the shape.
const RUNS: usize = 24;
/// The longest length of each of the buckets 16 to 30.
const BUCKETS: [usize; 15] = [
    16, 22, 32, 45, 64, 90, 128, 181, 256, 362, 512, 724, 1024, 1448, 2048,
];
const CLASS: [u64; 256] = each_byte();
const LIKE: [u8; 256] = each_kind();

const fn each_byte() -> [u64; 256] {
    let mut of = [CONTROL; 256];
    let mut byte = 0;
    while byte < 256 {
        of[byte] = match byte as u8 {
            b'a'..=b'z' => LOWER,
            b'A'..=b'Z' => UPPER,
            b'0'..=b'9' => DIGIT,
            b' ' => SPACE,
            0 => NUL,
            b'\r' | b'\n' => LINE_BREAK,
            b'\t' => TAB,
            128.. => HIGH,
            _ => CONTROL,
        };
        byte += 1;
    }
    let mut mark = 0;
    while mark < MARKS.len() {
        of[MARKS[mark] as usize] = 1 << (FIRST_MARK + mark);
        mark += 1;
    }
    of
}

const fn each_kind() -> [u8; 256] {
    let mut of = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        of[byte] = match byte as u8 {
            b'a'..=b'z' => b'a',
            b'A'..=b'Z' => b'A',
            b'0'..=b'9' => b'9',
            0..32 | 127 => b'\n',
            128.. => b'u',
            mark => mark,
        };
        byte += 1;
    }
    of
}

/// The class of a mark.
pub const fn mark(byte: u8) -> u64 {
    CLASS[byte as usize]
}

/// The classes of the characters of a text.
pub fn classes(text: &[u8]) -> u64 {
    text.iter()
        .fold(0, |set, &byte| set | CLASS[usize::from(byte)])
}

/// The bucket of a length: 0 to 16 exact, then two an octave, 31 above 2,048.
pub fn length_bucket(length: usize) -> u8 {
    if length <= 16 {
        return length as u8;
    }
    16 + BUCKETS.iter().filter(|&&most| most < length).count() as u8
}

/// A hash of the first runs of like characters.
pub fn shape(text: &[u8]) -> u16 {
    let (mut hash, mut last, mut runs) = (0xcbf2_9ce4_8422_2325_u64, 0, 0);
    for &byte in text {
        let like = LIKE[usize::from(byte)];
        if like == last {
            continue;
        }
        hash = (hash ^ u64::from(like)).wrapping_mul(0x100_0000_01b3);
        (last, runs) = (like, runs + 1);
        if runs == RUNS {
            break;
        }
    }
    (spread(hash) >> 13) as u16
}

/// Every bit of the answer depends on every bit.
fn spread(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    hash ^ (hash >> 29)
}
