//! Marks: quotes, comments, tags, backticks.

use super::findings::Finding;
use super::pass::{NONE, Pass, is_word};

/// Marks so far.
#[derive(Debug, Default)]
pub struct Marks {
    quotes: usize,
    double_quotes: usize,
    /// A backtick without its pair.
    ticked: bool,
}

impl Pass<'_> {
    /// Reads one mark.
    pub fn mark(&mut self, byte: u8) {
        match byte {
            b'\'' | b'"' => self.quote(byte),
            b'=' | b'>' => self.comparison(),
            b'<' => {
                self.comparison();
                self.tag();
            }
            b'-' => self.line_comment(),
            b'#' => self.hash_comment(),
            b'/' => self.block_comment(),
            b'`' => self.backtick(),
            _ => {}
        }
        if !matches!(byte, b' ' | b'\t' | b'+') {
            (self.before, self.mark_at) = (byte, Some(self.at));
        }
        self.at += 1;
    }

    fn quote(&mut self, byte: u8) {
        self.marks.quotes += usize::from(byte == b'\'');
        self.marks.double_quotes += usize::from(byte == b'"');
        let comments = match &self.text[self.at + 1..] {
            [b'-', b'-', ..] | [b'/', b'*', ..] => true,
            rest => rest == b"#",
        };
        if comments {
            self.find(Finding::CommentAfterQuote);
        }
    }

    /// `--` and a blank or the end, where something stands before it.
    fn line_comment(&mut self) {
        let rest = &self.text[self.at + 1..];
        let dashes = matches!(rest, [b'-'] | [b'-', b' ' | b'+' | b'\t' | b'\n', ..]);
        if self.at == 0 || !dashes {
            return;
        }
        if self.marks.quotes > 0 {
            self.find(Finding::QuotedLineComment);
        } else if rest.len() <= 2 || self.statement.telling > 0 {
            self.find(self.bare_comment());
        }
    }

    /// Double quotes are prose's too: they make a comment only where one was expected anyway.
    fn bare_comment(&self) -> Finding {
        if self.marks.double_quotes > 0 {
            Finding::QuotedLineComment
        } else {
            Finding::LineComment
        }
    }

    fn hash_comment(&mut self) {
        let last = self.at > 0 && self.at + 1 == self.text.len();
        if last && (self.marks.quotes > 0 || self.statement.telling > 0) {
            self.find(Finding::HashComment);
        }
    }

    fn block_comment(&mut self) {
        if self.byte(self.at + 1) == b'*' {
            self.find(Finding::BlockComment);
        }
    }

    fn tag(&mut self) {
        if matches!(
            self.byte(self.at + 1),
            b'a'..=b'z' | b'/' | b'!' | b'?' | b'%'
        ) {
            self.find(Finding::Tag);
        }
    }

    fn backtick(&mut self) {
        if self.marks.ticked {
            self.find(Finding::Backticks);
        }
        self.marks.ticked = !self.marks.ticked;
    }

    /// Quotes without their pair; one between letters is an apostrophe.
    pub fn open_quotes(&mut self) {
        if self.marks.quotes % 2 == 1 && !self.is_apostrophe() {
            self.find(Finding::OpenQuote);
        }
        if self.marks.double_quotes % 2 == 1 {
            self.find(Finding::OpenDoubleQuote);
        }
    }

    /// The first quote stands in a word, not behind a digit.
    fn is_apostrophe(&self) -> bool {
        let first = self.text.iter().position(|&byte| byte == b'\'');
        let (before, after) = match first {
            Some(at) if at > 0 => (self.byte(at - 1), self.byte(at + 1)),
            _ => (NONE, NONE),
        };
        is_word(before) && !before.is_ascii_digit() && is_word(after)
    }
}
