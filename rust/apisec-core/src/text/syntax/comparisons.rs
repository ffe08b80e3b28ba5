//! A comparison behind a connective: `or 1=1`.

use super::findings::Finding;
use super::pass::Pass;

/// Bytes between the connective and the sign, at most.
const NEAR: usize = 24;

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
        let right = right_side(&self.text[self.at + 1..]);
        self.comparison.connective = None;
        self.find(compared(left, right));
    }
}

fn compared(left: &[u8], right: &[u8]) -> Finding {
    let is_number = |side: &[u8]| side.first().is_some_and(u8::is_ascii_digit);
    let (bare, other) = (unquoted(left), unquoted(right));
    if !bare.is_empty() && bare == other {
        Finding::EqualSides
    } else if is_number(bare) && is_number(other) {
        Finding::NumberSides
    } else if left.first().is_some_and(|&byte| is_quote(byte)) {
        Finding::QuotedSide
    } else {
        Finding::AnySides
    }
}

/// The last word of what stands before the sign.
fn left_side(before: &[u8]) -> &[u8] {
    let end = before.iter().rposition(|&byte| byte != b' ');
    let before = &before[..end.map_or(0, |last| last + 1)];
    let start = before.iter().rposition(|byte| b" ()".contains(byte));
    &before[start.map_or(0, |last| last + 1)..]
}

/// The first word of what stands behind the sign.
fn right_side(after: &[u8]) -> &[u8] {
    let start = after.iter().position(|byte| !b" =".contains(byte));
    let after = &after[start.unwrap_or(after.len())..];
    let end = after.iter().position(|byte| b" )-#&".contains(byte));
    &after[..end.unwrap_or(after.len())]
}

fn unquoted(mut side: &[u8]) -> &[u8] {
    while let [b'\'' | b'"', rest @ ..] = side {
        side = rest;
    }
    while let [rest @ .., b'\'' | b'"'] = side {
        side = rest;
    }
    side
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'\'' | b'"')
}
