//! JSON tokens, read forward once. Nothing is built but the strings that carry escapes.

use std::borrow::Cow;

use crate::codec::secrets::digit;
use crate::error::{Error, Result, What};

/// Objects and arrays inside what is skipped.
const SKIP_DEPTH: usize = 256;

/// A place in a JSON text.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            at: if bytes.starts_with(b"\xef\xbb\xbf") {
                3
            } else {
                0
            },
            bytes,
        }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    pub fn error<T>(&self, why: &'static str) -> Result<T> {
        Err(Error::new(self.at, What::Json(why)))
    }

    /// The next byte that is not blank; it stays unread.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// Reads `byte` if it comes next.
    #[inline]
    pub fn take(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        self.at += usize::from(next);
        next
    }

    pub fn expect(&mut self, byte: u8, why: &'static str) -> Result<()> {
        if self.take(byte) {
            Ok(())
        } else {
            self.error(why)
        }
    }

    /// Reads `null` if it comes next.
    pub fn null(&mut self) -> Result<bool> {
        if self.peek() != Some(b'n') {
            return Ok(false);
        }
        self.word(b"null").map(|()| true)
    }

    fn word(&mut self, word: &[u8]) -> Result<()> {
        if self
            .bytes
            .get(self.at..)
            .unwrap_or_default()
            .starts_with(word)
        {
            self.at += word.len();
            return Ok(());
        }
        self.error("no JSON value")
    }

    pub fn bool(&mut self) -> Result<bool> {
        match self.peek() {
            Some(b't') => self.word(b"true").map(|()| true),
            Some(b'f') => self.word(b"false").map(|()| false),
            _ => self.error("true or false is wanted"),
        }
    }

    /// The text of a number, or what is within a string: both are taken for numbers.
    pub fn numeric(&mut self) -> Result<Cow<'a, str>> {
        if self.peek() == Some(b'"') {
            return self.string();
        }
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or_default();
        let len = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        self.at += len.unwrap_or(rest.len());
        match self.bytes.get(start..self.at).map(std::str::from_utf8) {
            Some(Ok(text)) if !text.is_empty() => Ok(Cow::Borrowed(text)),
            _ => self.error("a number is wanted"),
        }
    }

    /// A string; what is no Unicode in it becomes U+FFFD.
    pub fn string(&mut self) -> Result<Cow<'a, str>> {
        self.expect(b'"', "a string is wanted")?;
        let start = self.at;
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    let content = self.bytes.get(start..self.at).unwrap_or_default();
                    self.at += 1;
                    return Ok(String::from_utf8_lossy(content));
                }
                Some(b'\\') => return self.escaped(start),
                Some(_) => self.at += 1,
                None => return self.error("a string that does not end"),
            }
        }
    }

    #[cold]
    fn escaped(&mut self, start: usize) -> Result<Cow<'a, str>> {
        let mut out = self.bytes.get(start..self.at).unwrap_or_default().to_vec();
        loop {
            let byte = self.bytes.get(self.at).copied();
            self.at += 1;
            match byte {
                Some(b'"') => return Ok(Cow::Owned(String::from_utf8_lossy(&out).into_owned())),
                Some(b'\\') => {
                    let mut buffer = [0; 4];
                    out.extend_from_slice(self.escape()?.encode_utf8(&mut buffer).as_bytes());
                }
                Some(byte) => out.push(byte),
                None => return self.error("a string that does not end"),
            }
        }
    }

    fn escape(&mut self) -> Result<char> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        Ok(match byte {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte as char,
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => self.unicode()?,
            _ => return self.error("no such escape"),
        })
    }

    /// Behind `\u`: four digits, and the other half of a surrogate pair; half a pair is U+FFFD.
    fn unicode(&mut self) -> Result<char> {
        let high = self.four_digits()?;
        if (0xD800..0xDC00).contains(&high)
            && self
                .bytes
                .get(self.at..)
                .unwrap_or_default()
                .starts_with(b"\\u")
        {
            let back = self.at;
            self.at += 2;
            let low = self.four_digits()?;
            if (0xDC00..0xE000).contains(&low) {
                let code = 0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = back;
        }
        Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn four_digits(&mut self) -> Result<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(value) = self.bytes.get(self.at).copied().and_then(digit) else {
                return self.error("four hexadecimal digits are wanted");
            };
            code = code << 4 | u32::from(value);
            self.at += 1;
        }
        Ok(code)
    }

    /// Steps over a value of any kind.
    pub fn skip(&mut self) -> Result<()> {
        let mut open = Vec::new();
        loop {
            match self.peek() {
                Some(b'{') => {
                    self.at += 1;
                    open.push(b'}');
                }
                Some(b'[') => {
                    self.at += 1;
                    open.push(b']');
                }
                Some(close @ (b'}' | b']')) if open.last() == Some(&close) => {
                    self.at += 1;
                    open.pop();
                }
                Some(b',' | b':') if !open.is_empty() => self.at += 1,
                Some(b'"') => self.skip_string()?,
                Some(b't' | b'f') => self.bool().map(drop)?,
                Some(b'n') => self.null().map(drop)?,
                Some(b'0'..=b'9' | b'-') => self.numeric().map(drop)?,
                _ => return self.error("no JSON value"),
            }
            if open.len() > SKIP_DEPTH {
                return self.error("nested deeper than 256");
            }
            if open.is_empty() {
                return Ok(());
            }
        }
    }

    fn skip_string(&mut self) -> Result<()> {
        self.at += 1;
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => return Ok(()),
                b'\\' => self.at += 1,
                _ => {}
            }
        }
        self.error("a string that does not end")
    }
}
