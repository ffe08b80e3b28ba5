//! What a text does as a whole: runs of one character, encodings, lines that read as headers.

use super::super::decode::{Decoded, Met};
use super::findings::Finding;
use super::tally::{Rule, Tally};

/// Lengths of runs from which on they count.
const RUN: usize = 24;
const LONG_RUN: usize = 64;
const HUGE_RUN: usize = 256;
/// Every run of [`RUN`] fills a block of so many, wherever blocks begin.
const BLOCK: usize = 12;
/// What each encoding is, line breaks aside.
const ENCODINGS: [(Met, Finding); 6] = [
    (Met::DOUBLE, Finding::DoubleEncoded),
    (Met::PERCENT_U, Finding::PercentU),
    (Met::OVERLONG, Finding::Overlong),
    (Met::NUL, Finding::Nul),
    (Met::FULL_WIDTH, Finding::FullWidth),
    (Met::BACKSLASH, Finding::Backslash),
];

/// Adds the points of all of them.
pub fn count(text: &Decoded<'_>, body: bool, rules: &[Rule; Finding::COUNT], tally: &mut Tally) {
    let mut find = |finding| tally.find(finding, rules);
    match longest_run(text.folded) {
        HUGE_RUN.. => find(Finding::HugeRun),
        LONG_RUN.. => find(Finding::LongRun),
        RUN.. => find(Finding::Run),
        _ => {}
    }
    if text.met == Met::default() {
        return;
    }
    for (_, finding) in ENCODINGS.iter().filter(|(met, _)| text.met.has(*met)) {
        find(*finding);
    }
    if text.met.has(Met::LINE_BREAK) {
        line_breaks(text.folded, body, find);
    }
}

fn line_breaks(text: &[u8], body: bool, mut find: impl FnMut(Finding)) {
    find(if body {
        Finding::LineBreakInBody
    } else {
        Finding::LineBreak
    });
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let mut lines = text.split(is_break);
    lines.next();
    if lines.any(is_header) {
        find(Finding::HeaderLine);
    }
}

/// A name of at least three letters or dashes, and a colon.
fn is_header(line: &[u8]) -> bool {
    let name = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'-';
    let end = line.iter().position(|byte| !name(byte));
    end.is_some_and(|end| end > 2 && line[end] == b':')
}

/// The longest run of one character; 0 where none is long.
fn longest_run(text: &[u8]) -> usize {
    let uniform = |block: &[u8]| block.iter().all(|byte| *byte == block[0]);
    if !text.chunks_exact(BLOCK).any(uniform) {
        return 0;
    }
    text.chunk_by(|a, b| a == b)
        .map(<[u8]>::len)
        .max()
        .unwrap_or(0)
}
