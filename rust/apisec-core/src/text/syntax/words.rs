//! The words that mean something, found by a table.

use super::spec::{Error, Spec};

/// The longest word that is looked up.
pub const LONGEST_WORD: usize = 20;
/// Places of the table, several times as many as there are words.
const PLACES: usize = 2048;
/// A place that holds no word.
const FREE: u16 = u16::MAX;

/// Bits of [`Word::is`].
pub const CONNECTIVE: u32 = 1;
pub const SELECT: u32 = 1 << 1;
pub const UNION: u32 = 1 << 2;
pub const FROM: u32 = 1 << 3;
pub const VERB: u32 = 1 << 6;
/// Counts as a word of a query language.
pub const TELLING: u32 = 1 << 8;
pub const CALL: u32 = 1 << 9;
pub const STRONG_FUNCTION: u32 = 1 << 10;
pub const PLAIN_FUNCTION: u32 = 1 << 11;
pub const WEAK_FUNCTION: u32 = 1 << 12;
pub const ATTACHED_FUNCTION: u32 = 1 << 13;
pub const STRONG_COMMAND: u32 = 1 << 14;
pub const AMBIGUOUS_COMMAND: u32 = 1 << 15;

/// What is known of a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// The set of what it is.
    pub is: u32,
    /// The pairs that it opens, and those that it closes.
    pub opens: u16,
    pub closes: u16,
}

impl Word {
    /// Whether it is one of `any`.
    pub fn is(self, any: u32) -> bool {
        self.is & any != 0
    }
}

/// Words with what is known of them.
#[derive(Debug)]
pub struct Words {
    places: Vec<u16>,
    words: Vec<(Box<[u8]>, Word)>,
}

impl Words {
    pub fn new(spec: &Spec) -> Result<Self, Error> {
        let mut table = Self {
            places: vec![FREE; PLACES],
            words: Vec::new(),
        };
        for (words, bits) in sets(spec) {
            for word in words {
                table.entry(word)?.is |= bits;
            }
        }
        for word in &spec.words.common {
            table.entry(word)?.is &= !TELLING;
        }
        for (pair, bit) in spec.pairs.iter().zip((0..).map(|place| 1u16 << place)) {
            for word in &pair.verbs {
                table.entry(word)?.opens |= bit;
            }
            for word in &pair.words {
                table.entry(word)?.closes |= bit;
            }
        }
        Ok(table)
    }

    /// What is known of a word; nothing of most.
    #[inline]
    pub fn find(&self, word: &[u8]) -> Word {
        let Some(mut place) = place(word) else {
            return Word::default();
        };
        while let Some((text, known)) = self.words.get(usize::from(self.places[place])) {
            if **text == *word {
                return *known;
            }
            place = (place + 1) % PLACES;
        }
        Word::default()
    }

    fn entry(&mut self, word: &str) -> Result<&mut Word, Error> {
        if self.words.len() >= PLACES / 2 {
            return Err(Error(format!("more than {} words", PLACES / 2)));
        }
        let word = word.as_bytes();
        let mut place = place(word).unwrap_or(0);
        while let Some((text, _)) = self.words.get(usize::from(self.places[place])) {
            if **text == *word {
                break;
            }
            place = (place + 1) % PLACES;
        }
        if self.places[place] == FREE {
            self.places[place] = self.words.len() as u16;
            self.words.push((word.into(), Word::default()));
        }
        Ok(&mut self.words[usize::from(self.places[place])].1)
    }
}

/// Lists of words with the bits that they get.
fn sets(spec: &Spec) -> impl Iterator<Item = (&[String], u32)> {
    let words = &spec.words;
    let classes = (0..).map(|class| TELLING | 1 << class);
    let others = [
        (&words.call, CALL),
        (&words.function_strong, STRONG_FUNCTION),
        (&words.function_plain, PLAIN_FUNCTION),
        (&words.function_weak, WEAK_FUNCTION),
        (&words.function_attached, ATTACHED_FUNCTION),
        (&words.command_strong, STRONG_COMMAND),
        (&words.command_ambiguous, AMBIGUOUS_COMMAND),
    ];
    let others = others.map(|(list, bit)| (list.as_slice(), bit));
    words.classes().into_iter().zip(classes).chain(others)
}

/// Where to look for a word first: by two letters at its beginning, one at its end, and its length.
#[inline]
fn place(word: &[u8]) -> Option<usize> {
    let (&first, &last) = (word.first()?, word.last()?);
    if word.len() > LONGEST_WORD {
        return None;
    }
    let second = word.get(1).copied().unwrap_or(0);
    let key = u32::from_le_bytes([first, second, last, word.len() as u8]);
    Some((key.wrapping_mul(0x9E37_79B1) >> 21) as usize)
}
