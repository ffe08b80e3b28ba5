//! A comparison behind a connective: `or 1=1`.

use super::findings::Finding;
use super::pass::Pass;

/// Bytes between the connective and the sign, at most.
const NEAR: usize = 24;
const QUOTES: &[u8] = b"'\"";
/// What ends the right side.
const ENDS: &[u8] = b" )-#&";

/// The connective that waits for its comparison.
#[derive(Debug, Default)]
pub struct Comparison {
    connective: Option<usize>,
}

impl Comparison {
    /// A connective ends at `end`.
    pub fn open(&mut self, end: usize) {
        self.connective = Some(end);
    }
}

impl Pass<'_> {
    /// A sign of comparison here: what it compares.
    pub fn comparison(&mut self) {
        let near = |end: &usize| self.at - end <= NEAR;
        let Some(end) = self.comparison.connective.filter(near) else {
            return;
        };
        let left = left_side(&self.text[end..self.at]);
        let compared = compared(left, &self.text[self.at + 1..]);
        self.comparison.connective = None;
        self.find(compared);
    }
}

/// What a side and what stands behind the sign are; never reads far ahead, for signs may come in thousands.
fn compared(left: &[u8], after: &[u8]) -> Finding {
    let is_number = |side: &[u8]| side.first().is_some_and(u8::is_ascii_digit);
    let bare = before_quotes(behind(left, QUOTES));
    let right = behind(behind(after, b" ="), QUOTES);
    if begins_with_word(right, bare) {
        Finding::EqualSides
    } else if is_number(bare) && is_number(right) {
        Finding::NumberSides
    } else if left.first().is_some_and(|byte| QUOTES.contains(byte)) {
        Finding::QuotedSide
    } else {
        Finding::AnySides
    }
}

/// Whether a text begins with just this word, quotes behind it aside.
fn begins_with_word(text: &[u8], word: &[u8]) -> bool {
    let whole = !word.is_empty() && !word.iter().any(|byte| ENDS.contains(byte));
    let rest = text.strip_prefix(word).filter(|_| whole);
    let next = rest.map(|rest| behind(rest, QUOTES).first());
    next.is_some_and(|next| next.is_none_or(|byte| ENDS.contains(byte)))
}

/// The last word of what stands before the sign.
fn left_side(before: &[u8]) -> &[u8] {
    let end = before.iter().rposition(|&byte| byte != b' ');
    let before = &before[..end.map_or(0, |last| last + 1)];
    let start = before.iter().rposition(|byte| b" ()".contains(byte));
    &before[start.map_or(0, |last| last + 1)..]
}

/// A text without the bytes at its beginning that are among `any`.
fn behind<'a>(text: &'a [u8], any: &[u8]) -> &'a [u8] {
    let start = text.iter().position(|byte| !any.contains(byte));
    &text[start.unwrap_or(text.len())..]
}

/// A text without the quotes at its end.
fn before_quotes(text: &[u8]) -> &[u8] {
    let last = text.iter().rposition(|byte| !QUOTES.contains(byte));
    &text[..last.map_or(0, |last| last + 1)]
}
