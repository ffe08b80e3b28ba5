//! Words that make a statement of a query language.

use super::findings::Finding;
use super::pass::{Around, NUMBER, Pass};
use super::words::{
    ATTACHED_FUNCTION, CALL, CONNECTIVE, FROM, PLAIN_FUNCTION, SELECT, STRONG_FUNCTION, TELLING,
    UNION, VERB, WEAK_FUNCTION, Word,
};

/// Words between `select` and `from`, at most.
const SELECTED: u32 = 12;
/// `union select` or `union all select`.
const UNITED: u32 = 2;

/// What was said so far; words by their number.
#[derive(Debug, Default)]
pub struct Statement {
    select: Option<u32>,
    union: Option<u32>,
    verb: u32,
    /// The pairs that the last verb opened.
    opened: u16,
    /// Words of a query language.
    pub telling: u32,
}

impl Pass<'_> {
    /// What a word of a query language says where it stands.
    pub fn statement(&mut self, word: Word, around: &Around<'_>) {
        if word.is(CONNECTIVE) {
            self.connective(around);
        }
        if word.is(SELECT) {
            self.select();
        }
        if word.is(UNION) {
            self.union();
        }
        if word.is(FROM) {
            self.from();
        }
        self.pairs(word);
        if word.is(VERB) {
            self.verb(word, around);
        }
        self.function(word, around);
        self.statement.telling += u32::from(word.is(TELLING));
    }

    /// `' or 1`: what stands before and after tells.
    fn connective(&mut self, around: &Around<'_>) {
        let operand = is_operand(around.next);
        match self.before {
            b'"' if operand && around.next != b'"' => {
                self.find(Finding::DoubleQuoteConnectiveOperand);
            }
            b'"' => self.find(Finding::DoubleQuoteConnective),
            b'\'' | b'`' if operand => self.find(Finding::QuoteConnectiveOperand),
            b'\'' | b'`' => self.find(Finding::QuoteConnective),
            b')' if operand => self.find(Finding::BracketConnectiveOperand),
            b')' => self.find(Finding::BracketConnective),
            NUMBER if around.next.is_ascii_digit() => self.find(Finding::NumberConnectiveNumber),
            _ => {}
        }
        self.comparison.open(around.end);
    }

    fn select(&mut self) {
        self.statement.select = Some(self.count);
        if self.since(self.statement.union, UNITED) {
            self.find(Finding::UnionSelect);
        } else if matches!(self.before, b'(' | b';' | b'\'') {
            self.find(Finding::OpenedSelect);
        }
    }

    fn union(&mut self) {
        self.statement.union = Some(self.count);
        if matches!(self.before, b'\'' | b')' | b'"') {
            self.find(Finding::OpenedUnion);
        }
    }

    fn from(&mut self) {
        if self.since(self.statement.select, SELECTED) {
            self.find(Finding::SelectFrom);
            self.statement.select = None;
        }
    }

    /// `delete from`, `drop table`: words that say what the last verb does.
    fn pairs(&mut self, word: Word) {
        let closed = self.statement.opened & word.closes;
        if closed == 0 {
            return;
        }
        let passed = self.count - self.statement.verb;
        for (place, pair) in self.syntax.pairs.iter().enumerate() {
            if closed >> place & 1 == 1 && passed <= pair.within {
                self.tally.add(pair.rule);
            }
        }
    }

    fn verb(&mut self, word: Word, around: &Around<'_>) {
        self.statement.verb = self.count;
        self.statement.opened = word.opens;
        if self.before == b';' {
            self.find(Finding::StackedVerb);
        }
        if word.is(CALL) && matches!(around.next, b'@' | b'(') {
            self.find(Finding::Call);
        }
    }

    /// A function before a bracket, with or without space.
    fn function(&mut self, word: Word, around: &Around<'_>) {
        let attached = around.attached == b'(';
        if around.next != b'(' {
            return;
        }
        if word.is(STRONG_FUNCTION) {
            self.find(Finding::StrongFunction);
        } else if word.is(PLAIN_FUNCTION) && attached {
            self.find(Finding::PlainFunction);
        } else if word.is(PLAIN_FUNCTION | WEAK_FUNCTION)
            || (word.is(ATTACHED_FUNCTION) && attached)
        {
            self.find(Finding::WeakFunction);
        }
    }

    /// Words of a query language, whatever they say.
    pub fn count_words(&mut self) {
        match self.statement.telling {
            0..3 => {}
            3..5 => self.find(Finding::SeveralWords),
            _ => self.find(Finding::ManyWords),
        }
    }

    fn since(&self, word: Option<u32>, most: u32) -> bool {
        word.is_some_and(|word| self.count - word <= most)
    }
}

/// What an operand begins with, letters aside.
fn is_operand(byte: u8) -> bool {
    byte.is_ascii_digit() || b"'\"(-@!+~/`".contains(&byte)
}
