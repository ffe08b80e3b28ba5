//! What a request says, item by item: segments of its path, parameters, headers, cookies, fields of a body (payload model, 2.1).

use serde::Deserialize;

use crate::codec::{Member, Record, visit_attributes};

/// Items of a request that are looked at, at most.
pub const MOST: usize = 64;
/// Items of a request whose names are, at most: what is behind them is only counted.
pub const NAMED: usize = 256;

/// Where an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Place {
    Parameter,
    Segment,
    Name,
    Header,
}

/// How the attributes that begin with a text are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Read {
    /// The rest of the key is a header's name.
    Header,
    /// The rest of the key is a parameter's name.
    Parameter,
    /// A body, as a form, JSON, or neither.
    Body,
}

/// Which attributes say what was sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attributes {
    /// Beginnings of keys, and how they are read.
    pub read: Vec<(String, Read)>,
    /// Headers that are no items, with dashes: secrets.
    pub passed: Vec<String>,
    /// The header that holds cookies.
    pub cookies: String,
}

impl Attributes {
    /// Whether some beginning has the key's first eight bytes: most keys are told apart by that.
    fn may_begin(&self, key: &[u8]) -> bool {
        let Some(first) = key.first_chunk::<8>() else {
            return false;
        };
        self.read
            .iter()
            .any(|(begin, _)| begin.as_bytes().first_chunk::<8>() == Some(first))
    }
}

/// A named text, and whether `+` is a space and line breaks are usual there.
pub struct Sent<'a> {
    pub place: Place,
    pub name: &'a [u8],
    pub text: &'a [u8],
    pub plus: bool,
    pub body: bool,
}

/// Calls `take` with the parameters of a query or a form.
pub fn form<'a>(text: &'a [u8], body: bool, take: &mut dyn FnMut(Sent<'a>)) {
    let text = text.strip_prefix(b"?").unwrap_or(text);
    let pairs = text
        .split(|&byte| byte == b'&')
        .filter(|pair| !pair.is_empty());
    for pair in pairs {
        let (name, text) = match pair.iter().position(|&byte| byte == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (&b"{bare}"[..], pair),
        };
        take(Sent {
            place: Place::Parameter,
            name,
            text,
            plus: true,
            body,
        });
    }
}

/// Calls `take` with what the attributes of a request's span say was sent.
pub fn attributes(
    wanted: &Attributes,
    member: &Member,
    row: &Record,
    take: &mut dyn FnMut(Sent<'_>),
) {
    let read = |key: &[u8]| {
        if !wanted.may_begin(key) {
            return None;
        }
        let found = wanted
            .read
            .iter()
            .find(|(begin, _)| key.starts_with(begin.as_bytes()));
        found.map(|(begin, read)| (begin.len(), *read))
    };
    // Malformed spans were refused when they were decoded.
    let _ = visit_attributes(
        member,
        row,
        |key| read(key).is_some(),
        &mut |key, text| match read(key) {
            Some((begin, Read::Header)) => header(wanted, &key[begin..], text, take),
            Some((begin, Read::Parameter)) => take(Sent {
                place: Place::Parameter,
                name: &key[begin..],
                text,
                plus: false,
                body: false,
            }),
            Some((_, Read::Body)) => sent_body(text, take),
            None => {}
        },
    );
}

fn header(wanted: &Attributes, name: &[u8], text: &[u8], take: &mut dyn FnMut(Sent<'_>)) {
    let dashed: Vec<u8> = name
        .iter()
        .map(|&byte| if byte == b'_' { b'-' } else { byte })
        .collect();
    if dashed == wanted.cookies.as_bytes() {
        return cookies(text, take);
    }
    if !wanted
        .passed
        .iter()
        .any(|passed| passed.as_bytes() == dashed)
    {
        take(Sent {
            place: Place::Header,
            name: &dashed,
            text,
            plus: false,
            body: false,
        });
    }
}

fn cookies(text: &[u8], take: &mut dyn FnMut(Sent<'_>)) {
    for cookie in text
        .split(|&byte| byte == b';')
        .map(<[u8]>::trim_ascii_start)
    {
        let equals = cookie.iter().position(|&byte| byte == b'=');
        let (name, text) = cookie.split_at(equals.unwrap_or_default());
        take(Sent {
            place: Place::Header,
            name: &[b"cookie ", name].concat(),
            text: text.strip_prefix(b"=").unwrap_or(text),
            plus: false,
            body: false,
        });
    }
}

fn sent_body(text: &[u8], take: &mut dyn FnMut(Sent<'_>)) {
    match text.trim_ascii_start().first() {
        Some(b'{' | b'[') => json(text, take),
        Some(first) if *first != b'<' && text.contains(&b'=') => form(text, true, take),
        Some(_) => take(Sent {
            place: Place::Parameter,
            name: b"{body}",
            text,
            plus: false,
            body: true,
        }),
        None => {}
    }
}

/// The leaves of JSON by the name before them, however deep; broken JSON as far as it goes.
fn json(text: &[u8], take: &mut dyn FnMut(Sent<'_>)) {
    let mut name = Vec::new();
    let (mut at, mut depth, mut is_name) = (0, Vec::new(), false);
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => {
                depth.push(byte);
                is_name = byte == b'{';
            }
            b'}' | b']' => {
                depth.pop();
                is_name = false;
            }
            b',' => is_name = depth.last() == Some(&b'{'),
            b':' => is_name = false,
            b'"' => {
                let (string, end) = string(text, at);
                at = end;
                if is_name {
                    name = string;
                } else {
                    leaf(&name, &string, take);
                }
            }
            byte if byte.is_ascii_whitespace() => {}
            _ => {
                let rest = text.get(at..).unwrap_or_default();
                let more = rest.iter().position(|byte| b",}]".contains(byte));
                let end = at + more.unwrap_or(rest.len());
                let word = text.get(at - 1..end).unwrap_or_default();
                leaf(&name, word.trim_ascii_end(), take);
                at = end;
            }
        }
    }
}

fn leaf(name: &[u8], text: &[u8], take: &mut dyn FnMut(Sent<'_>)) {
    take(Sent {
        place: Place::Parameter,
        name,
        text,
        plus: false,
        body: true,
    });
}

/// A string whose opening quote stands before `at`, and where it ends.
fn string(text: &[u8], mut at: usize) -> (Vec<u8>, usize) {
    let mut out = Vec::new();
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => break,
            b'\\' => at = escaped(text, at, &mut out),
            byte => out.push(byte),
        }
    }
    (out, at.min(text.len()))
}

/// Adds what the escape that begins at `at`, behind its backslash, stands for; where it ends.
fn escaped(text: &[u8], at: usize, out: &mut Vec<u8>) -> usize {
    let byte = match text.get(at) {
        Some(b'n') => b'\n',
        Some(b't') => b'\t',
        Some(b'r') => b'\r',
        Some(b'b') => 8,
        Some(b'f') => 12,
        Some(b'u') => return unicode(text, at, out),
        Some(&other) => other,
        None => b'\\',
    };
    out.push(byte);
    at + 1
}

/// Adds a character written as `uXXXX`, or as two such for one beyond 16 bits.
fn unicode(text: &[u8], at: usize, out: &mut Vec<u8>) -> usize {
    let unit = |at: usize| {
        let digits = text
            .get(at + 1..at + 5)
            .filter(|_| text.get(at) == Some(&b'u'))?;
        let digits = std::str::from_utf8(digits).ok()?;
        u16::from_str_radix(digits, 16).ok()
    };
    let Some(first) = unit(at) else {
        out.push(b'u');
        return at + 1;
    };
    let second = unit(at + 6).filter(|_| text.get(at + 5) == Some(&b'\\'));
    let pair = [first, second.unwrap_or_default()];
    let (units, end) = match second {
        Some(low) if (0xD800..0xDC00).contains(&first) && (0xDC00..0xE000).contains(&low) => {
            (&pair[..], at + 11)
        }
        _ => (&pair[..1], at + 5),
    };
    let character = char::decode_utf16(units.iter().copied()).next();
    let character = character
        .and_then(Result::ok)
        .unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(text: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let text_of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        sent_body(text.as_bytes(), &mut |item| {
            found.push((text_of(item.name), text_of(item.text)));
        });
        found
    }

    #[test]
    fn leaves_of_json_go_by_the_name_before_them() {
        let told = leaves(r#"{"a": 1, "b": [true, {"c": "x\"y"}], "d": {}}"#);
        let told: Vec<_> = told.iter().map(|(name, text)| (&**name, &**text)).collect();
        assert_eq!(told, [("a", "1"), ("b", "true"), ("c", "x\"y")]);
    }

    #[test]
    fn how_json_is_laid_out_is_no_part_of_its_values() {
        let told = leaves("{\n  \"a\": 1,\n  \"b\": [2 , null\n]\n}\n");
        let told: Vec<_> = told.iter().map(|(_, text)| &**text).collect();
        assert_eq!(told, ["1", "2", "null"]);
    }

    #[test]
    fn escapes_hide_nothing() {
        let value = |text: &str| leaves(&format!(r#"{{"a": "{text}"}}"#))[0].1.clone();
        assert_eq!(value(r"\u003cscript\u003E"), "<script>");
        assert_eq!(value(r"\ud83d\ude00 \ud83d x"), "\u{1F600} \u{FFFD} x");
        assert_eq!(value(r"\n\/\u12"), "\n/u12");
    }

    #[test]
    fn broken_json_is_read_as_far_as_it_goes() {
        for text in [
            "{",
            "[",
            "{\"a\": \"x",
            "{\"a\": \"\\",
            "{\"a\": \"\\u",
            "[1,,]",
            "}{\"a\":",
        ] {
            leaves(text);
        }
        assert_eq!(leaves("{\"a\": \"x"), [("a".to_owned(), "x".to_owned())]);
    }

    #[test]
    fn forms_and_other_bodies_are_read_as_what_they_are() {
        assert_eq!(leaves("a=1&b").len(), 2);
        assert_eq!(leaves("<a b=\"c\"/>")[0].0, "{body}");
        assert_eq!(leaves("  ").len(), 0);
    }
}
