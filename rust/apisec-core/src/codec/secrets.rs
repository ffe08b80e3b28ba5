//! Which bytes of an attribute are secret: a header's whole value, or the value of a query parameter.

use super::member::Secret;
use super::record::Slice;
use super::value::visit_key_value;
use super::vocabulary::Vocabulary;
use crate::error::Result;
use crate::wire::Cursor;

/// Why an attribute may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrecy {
    /// All of it is one; the number is that of its name.
    Whole(u16),
    /// Its query parameters may be.
    Query,
}

/// Adds the secrets of one attribute, whose KeyValue body the cursor is on.
#[cold]
pub(crate) fn find_whole(
    bytes: &[u8],
    mut body: Cursor<'_>,
    room: u32,
    key: u16,
    secrets: &mut Vec<Secret>,
) -> Result<()> {
    visit_key_value(&mut body, room, &mut |text| add(bytes, text, key, secrets))
}

/// Adds the secret query parameters of one attribute.
pub(crate) fn find_queries(
    vocabulary: &Vocabulary,
    bytes: &[u8],
    mut body: Cursor<'_>,
    room: u32,
    secrets: &mut Vec<Secret>,
) -> Result<()> {
    visit_key_value(&mut body, room, &mut |text| {
        in_query(vocabulary, bytes, text, secrets)
    })
}

/// Values overwritten before are left out, so that a request already clean passes as the bytes that came.
fn add(bytes: &[u8], text: Slice, key: u16, secrets: &mut Vec<Secret>) {
    if text.of(bytes).iter().any(|&byte| byte != b'*') {
        secrets.push(Secret {
            at: text.at,
            len: text.len,
            key,
        });
    }
}

/// Looks for `name=value` behind any of `?&;#` and at the start, in a query, a target, a URL or a fragment alike.
/// A secret value goes on to the next `&` or `#`: what a lenient server takes as part of it goes with it.
pub(crate) fn in_query(
    vocabulary: &Vocabulary,
    bytes: &[u8],
    text: Slice,
    secrets: &mut Vec<Secret>,
) {
    let content = text.of(bytes);
    let mut at = 0;
    let mut floor = 0;
    while let Some(equals) = content
        .get(at..)
        .and_then(|rest| rest.iter().position(|&byte| byte == b'='))
    {
        let name = content.get(floor..at + equals).unwrap_or_default();
        at += equals + 1;
        if !vocabulary.query_ends.contains(name) {
            continue;
        }
        let start = name
            .iter()
            .rposition(|&byte| matches!(byte, b'?' | b'&' | b';' | b'#' | b'='));
        let (before, name) = name
            .split_at_checked(start.map_or(0, |start| start + 1))
            .unwrap_or_default();
        // Behind a first `=` stands a value: no name begins there before the next separator.
        if before.last() == Some(&b'=') {
            continue;
        }
        if let Some(key) = secret_name(vocabulary, name) {
            let rest = content.get(at..).unwrap_or_default();
            let len = rest
                .iter()
                .position(|&byte| matches!(byte, b'&' | b'#'))
                .unwrap_or(rest.len());
            let start = text.at as usize + at;
            add(bytes, Slice::new(start, start + len), key, secrets);
            at += len;
            floor = at;
        }
    }
}

/// The last bytes of secret parameters' names, in either case: most parameters are told apart by them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ends([u64; 4]);

impl Ends {
    pub fn new<'a>(names: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut ends = Self::default();
        for last in names.filter_map(|name| name.last()) {
            for byte in [last.to_ascii_lowercase(), last.to_ascii_uppercase()] {
                if let Some(word) = ends.0.get_mut(usize::from(byte >> 6)) {
                    *word |= 1 << (byte & 63);
                }
            }
        }
        ends
    }

    /// Whether a name may end so; a percent-encoded end may stand for anything.
    #[inline]
    fn contains(&self, name: &[u8]) -> bool {
        let Some(&last) = name.last() else {
            return false;
        };
        let encoded = name.len() >= 3 && name.get(name.len() - 3) == Some(&b'%');
        encoded
            || self
                .0
                .get(usize::from(last >> 6))
                .is_some_and(|word| word >> (last & 63) & 1 == 1)
    }
}

/// The number of a secret parameter's name, in any case and percent-encoding.
#[inline]
fn secret_name(vocabulary: &Vocabulary, name: &[u8]) -> Option<u16> {
    if vocabulary.query_lengths >> name.len().min(63) & 1 == 0 && !name.contains(&b'%') {
        return None;
    }
    let known = vocabulary.secret_queries.iter();
    known
        .filter(|(secret, _)| name.len() >= secret.len())
        .find(|(secret, _)| same_name(name, secret))
        .map(|&(_, key)| key)
}

fn same_name(name: &[u8], secret: &[u8]) -> bool {
    let mut at = 0;
    for &wanted in secret {
        let Some((byte, width)) = decoded(name.get(at..).unwrap_or_default()) else {
            return false;
        };
        if byte.to_ascii_lowercase() != wanted {
            return false;
        }
        at += width;
    }
    at == name.len()
}

fn decoded(rest: &[u8]) -> Option<(u8, usize)> {
    match rest {
        [b'%', high, low, ..] => match (digit(*high), digit(*low)) {
            (Some(high), Some(low)) => Some((high << 4 | low, 3)),
            _ => Some((b'%', 1)),
        },
        [byte, ..] => Some((*byte, 1)),
        [] => None,
    }
}

/// The value of a hexadecimal digit.
pub(crate) fn digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}
