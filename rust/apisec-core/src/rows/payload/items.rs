//! What a request says, item by item: segments of its path, parameters, headers, cookies, fields of a body (payload model, 2.1).

use serde::Deserialize;

use crate::codec::{Member, Record, visit_attributes};

/// Items of a request at most.
pub const MOST: usize = 64;

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
    for pair in pairs.take(MOST) {
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
                leaf(&name, text.get(at - 1..end).unwrap_or_default(), take);
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
            b'\\' => {
                let escaped = text.get(at).copied().unwrap_or(b'\\');
                at += 1;
                out.push(match escaped {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    other => other,
                });
            }
            byte => out.push(byte),
        }
    }
    (out, at.min(text.len()))
}
