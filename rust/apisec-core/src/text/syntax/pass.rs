//! The pass over words, numbers and marks of a decoded, lower-case text.

use super::Syntax;
use super::comparisons::Comparison;
use super::findings::Finding;
use super::marks::Marks;
use super::statements::Statement;
use super::tally::Tally;

/// Kinds of bytes.
const MARK: u8 = 0;
const LETTER: u8 = 1;
const NUMERAL: u8 = 2;
const KIND: [u8; 256] = kinds();

const fn kinds() -> [u8; 256] {
    let mut of = [MARK; 256];
    let mut byte = 0;
    while byte < 256 {
        of[byte] = match byte as u8 {
            b'a'..=b'z' | b'_' | 128.. => LETTER,
            b'0'..=b'9' => NUMERAL,
            _ => MARK,
        };
        byte += 1;
    }
    of
}

/// A small letter, a digit, `_` or a byte beyond ASCII.
#[inline]
pub fn is_word(byte: u8) -> bool {
    KIND[usize::from(byte)] != MARK
}

/// Stands for the mark before, where a number was.
pub const NUMBER: u8 = b'0';
/// Stands for a byte that is not there.
pub const NONE: u8 = 0;

/// Where the pass is, and what it remembers.
pub struct Pass<'a> {
    pub text: &'a [u8],
    pub syntax: &'a Syntax,
    pub tally: &'a mut Tally,
    /// The next byte to read.
    pub at: usize,
    /// Words and numbers so far.
    pub count: u32,
    /// The last mark, blanks aside; [`NUMBER`] after one, [`NONE`] after a word.
    pub before: u8,
    /// Where that mark stands.
    pub mark_at: Option<usize>,
    pub statement: Statement,
    pub comparison: Comparison,
    pub marks: Marks,
}

/// A word and what stands around it.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    pub word: &'a [u8],
    /// Where it begins and ends.
    pub start: usize,
    pub end: usize,
    /// The byte behind it, and the first that is no space; [`NONE`] at the end.
    pub attached: u8,
    pub next: u8,
}

impl<'a> Pass<'a> {
    pub fn new(text: &'a [u8], syntax: &'a Syntax, tally: &'a mut Tally) -> Self {
        Self {
            text,
            syntax,
            tally,
            at: 0,
            count: 0,
            before: NONE,
            mark_at: None,
            statement: Statement::default(),
            comparison: Comparison::default(),
            marks: Marks::default(),
        }
    }

    /// Reads the text to its end.
    pub fn run(mut self) {
        while let Some(&byte) = self.text.get(self.at) {
            match KIND[usize::from(byte)] {
                LETTER => self.word(),
                NUMERAL => self.number(),
                _ => self.mark(byte),
            }
        }
        self.count_words();
        self.open_quotes();
    }

    /// Adds the points of a finding.
    pub fn find(&mut self, finding: Finding) {
        self.tally.find(finding, &self.syntax.rules);
    }

    /// The byte at a place; [`NONE`] beyond the end.
    pub fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(NONE)
    }

    fn word(&mut self) {
        let around = self.around();
        self.count += 1;
        let word = self.syntax.words.find(around.word);
        if word != Default::default() {
            self.statement(word, &around);
            self.command(word, &around);
        }
        self.handler(&around);
        self.pass_over(around.end, NONE);
    }

    fn number(&mut self) {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|&b| !is_word(b) && b != b'.');
        self.count += 1;
        self.pass_over(self.at + length.unwrap_or(rest.len()), NUMBER);
    }

    fn pass_over(&mut self, end: usize, before: u8) {
        (self.at, self.before, self.mark_at) = (end, before, None);
    }

    /// The word that begins here.
    fn around(&self) -> Around<'a> {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|&byte| !is_word(byte));
        let (word, after) = rest.split_at(length.unwrap_or(rest.len()));
        let next = after.iter().find(|&&byte| byte != b' ');
        Around {
            word,
            start: self.at,
            end: self.at + word.len(),
            attached: after.first().copied().unwrap_or(NONE),
            next: next.copied().unwrap_or(NONE),
        }
    }
}
