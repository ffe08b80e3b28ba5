//! Where a path lies among others, and of which form a query is: what tells a page from its loads, and a way from a leap.

use crate::codec::{Member, Record};
use crate::hash::{self, Hasher};

/// Parts of a query that make its shape.
const PARTS: usize = 32;
/// Bytes of a part's shape.
const PART: usize = 96;

/// What the processor `endpoints` hands over at start.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// Extensions, in lower case, of files that pages load.
    pub assets: Vec<String>,
    /// How segments begin that clients ask for on their own.
    pub automatic: Vec<String>,
    /// Ends of paths, or parts of them where a slash comes last, in lower case.
    pub listed: Vec<String>,
}

impl Words {
    /// Fills path_parent, path_stem, query_shape, asset, automatic, nested and listed.
    pub fn fill(&self, r: &mut Record, member: &Member, hasher: &Hasher) {
        let path = member.text(r.path_text);
        if path.is_empty() {
            return;
        }
        let parent = path
            .iter()
            .rposition(|b| *b == b'/')
            .map_or(path, |at| &path[..at]);
        let (stem, extension) = split(path);
        r.path_parent = hasher.text(parent);
        r.path_stem = if extension.is_empty() {
            r.path
        } else {
            hasher.text(stem)
        };
        r.asset = flag(
            self.assets
                .iter()
                .any(|one| one.as_bytes().eq_ignore_ascii_case(extension)),
        );
        r.automatic = flag(begins(path, &self.automatic));
        r.nested = flag(parent.iter().filter(|b| **b == b'/').count() >= 2);
        r.listed = flag(self.listed.iter().any(|one| has(path, one.as_bytes())));
        let query = member.text(r.query_text);
        if !query.is_empty() {
            r.query_shape = hash::mix(r.path, shape(query, hasher));
        }
    }
}

fn flag(holds: bool) -> i8 {
    if holds { 1 } else { -1 }
}

fn begins(path: &[u8], words: &[String]) -> bool {
    path.split(|b| *b == b'/').any(|segment| {
        words
            .iter()
            .any(|word| segment.starts_with(word.as_bytes()))
    })
}

/// Whether a path ends so, or has such a part where a slash comes last; the case of letters and slashes at its end are no matter.
fn has(path: &[u8], word: &[u8]) -> bool {
    let end = path.iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
    let trimmed = path.get(..end).unwrap_or(path);
    if word.is_empty() || word.len() > path.len() {
        return false;
    }
    if word.ends_with(b"/") {
        return path
            .windows(word.len())
            .any(|part| part.eq_ignore_ascii_case(word));
    }
    trimmed.len() >= word.len()
        && trimmed
            .get(trimmed.len() - word.len()..)
            .is_some_and(|tail| tail.eq_ignore_ascii_case(word))
}

/// A path and its extension of two to five letters or digits; empty when it has none.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let tail = &path[path.len().saturating_sub(6)..];
    match tail.iter().rposition(|b| !b.is_ascii_alphanumeric()) {
        Some(at) if tail[at] == b'.' && tail.len() - at > 2 => {
            let dot = path.len() - tail.len() + at;
            (&path[..dot], &path[dot + 1..])
        }
        _ => (path, &[]),
    }
}

/// Names and classes of values in any order: `page=7` and `page=8` are of one shape, a quote or another name is of another.
fn shape(query: &[u8], hasher: &Hasher) -> u64 {
    let query = query.strip_prefix(b"?").unwrap_or(query);
    let parts = query.split(|b| *b == b'&').take(PARTS);
    let sum = |sum: u64, part| sum.wrapping_add(part_shape(part, hasher));
    parts.fold(1, sum).max(1)
}

/// Escapes are `%`, digits of a name 0, runs of letters and digits of a value `a`.
fn part_shape(part: &[u8], hasher: &Hasher) -> u64 {
    let (mut out, mut length) = ([0; PART], 0);
    let (mut at, mut value) = (0, false);
    while let (Some(&byte), true) = (part.get(at), length < PART) {
        let escape = byte == b'%'
            && part
                .get(at + 1..at + 3)
                .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        let class = match byte {
            b'0'..=b'9' if value => b'a',
            b'0'..=b'9' => b'0',
            _ if value && byte.is_ascii_alphabetic() => b'a',
            _ => byte,
        };
        let goes_on = length > 0
            && out[length - 1] == class
            && matches!((class, value), (b'a', true) | (b'0', false));
        if !goes_on {
            out[length] = class;
            length += 1;
        }
        at += if escape { 3 } else { 1 };
        value |= byte == b'=';
    }
    hasher.text(&out[..length])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(query: &str) -> u64 {
        shape(query.as_bytes(), &Hasher::new(&[7; 16]))
    }

    #[test]
    fn a_value_of_the_same_classes_has_the_same_shape() {
        assert_eq!(shaped("page=7"), shaped("?page=18"));
        assert_eq!(shaped("a=x&b=2"), shaped("b=77&a=abc1"));
        assert_eq!(shaped("q=%41b"), shaped("q=%5Fx9"));
        for other in ["page=7'", "page=", "pages=7", "page=7&page=7", "page=a-b"] {
            assert_ne!(shaped("page=7"), shaped(other), "{other}");
        }
    }

    #[test]
    fn words_are_ends_of_paths_or_parts_of_them() {
        for path in ["/.env", "/app/.ENV", "//.env", "/.env/"] {
            assert!(has(path.as_bytes(), b"/.env"), "{path}");
        }
        for path in ["/a.env", "/.env.js", "/.env/x", "/", ""] {
            assert!(!has(path.as_bytes(), b"/.env"), "{path}");
        }
        for path in ["/.git/config", "/x/.git/"] {
            assert!(has(path.as_bytes(), b"/.git/"), "{path}");
        }
        assert!(!has(b"/.git", b"/.git/"));
        assert!(!has(b"/x", b""));
    }

    #[test]
    fn extensions_are_short() {
        assert_eq!(split(b"/a/b.css"), (&b"/a/b"[..], &b"css"[..]));
        assert_eq!(split(b"/a/b.woff2"), (&b"/a/b"[..], &b"woff2"[..]));
        for path in ["/a.b/c", "/a/b", "/a/b.", "/a/b.c", "/v1.2/users"] {
            assert_eq!(
                split(path.as_bytes()),
                (path.as_bytes(), &b""[..]),
                "{path}"
            );
        }
    }
}
