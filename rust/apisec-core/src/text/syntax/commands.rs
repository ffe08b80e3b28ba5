//! Words that a shell would run, and handlers of events.

use super::findings::Finding;
use super::pass::{Around, NONE, Pass};
use super::words::{AMBIGUOUS_COMMAND, STRONG_COMMAND, Word};

/// The longest command that is looked for.
const COMMAND: usize = 12;
/// What the name of a handler may be long.
const HANDLER: std::ops::RangeInclusive<usize> = 5..=24;
/// What separates an attribute from what stands before it.
const SEPARATORS: &[u8] = b" \"'/\t\n\r\x0c><";
/// What arguments begin with, digits aside.
const ARGUMENTS: &[u8] = b"-/.;|&`)>$%'\"*{";

impl Pass<'_> {
    /// `; curl`: a command behind what separates commands.
    pub fn command(&mut self, word: Word, around: &Around<'_>) {
        if !word.is(STRONG_COMMAND | AMBIGUOUS_COMMAND) || around.word.len() > COMMAND {
            return;
        }
        let Some(mark) = self.mark_at.filter(|&mark| self.separates(mark)) else {
            return;
        };
        if !matches!(around.attached, b'=' | b':' | b'[') {
            self.find(self.commanded(word, around, mark));
        }
    }

    fn separates(&self, mark: usize) -> bool {
        match self.before {
            b';' | b'|' | b'&' | b'`' | b'\n' | b'\r' => true,
            b'(' => mark > 0 && self.text[mark - 1] == b'$',
            _ => false,
        }
    }

    fn commanded(&self, word: Word, around: &Around<'_>, mark: usize) -> Finding {
        let last = mark + 1 == around.start && around.next == NONE && self.ends(around);
        let parameter = self.is_parameter(mark);
        let [behind, after_ampersand] = if word.is(STRONG_COMMAND) {
            [Finding::StrongCommand, Finding::StrongCommandAfterAmpersand]
        } else if around.next.is_ascii_digit() || ARGUMENTS.contains(&around.next) {
            [
                Finding::CommandWithArgument,
                Finding::CommandWithArgumentAfterAmpersand,
            ]
        } else if last {
            [Finding::LastCommand, Finding::LastCommandAfterAmpersand]
        } else if self.before == b'&' {
            return Finding::LooseCommandAfterAmpersand;
        } else {
            return Finding::LooseCommand;
        };
        if parameter { after_ampersand } else { behind }
    }

    /// Nothing but spaces follows.
    fn ends(&self, around: &Around<'_>) -> bool {
        self.text[around.end..].iter().all(|&byte| byte == b' ')
    }

    /// An `&` alone, as it separates parameters: not `&&`, and no space before it.
    fn is_parameter(&self, mark: usize) -> bool {
        let before = mark.checked_sub(1).map(|at| self.text[at]);
        self.before == b'&' && !matches!(before, Some(b'&' | b' '))
    }

    /// `<img onerror=`.
    pub fn handler(&mut self, around: &Around<'_>) {
        if around.next != b'=' || around.start == 0 || !around.word.starts_with(b"on") {
            return;
        }
        let separated = SEPARATORS.contains(&self.text[around.start - 1]);
        let letters = around.word.iter().all(u8::is_ascii_lowercase);
        if separated && letters && HANDLER.contains(&around.word.len()) {
            self.find(Finding::Handler);
        }
    }
}
