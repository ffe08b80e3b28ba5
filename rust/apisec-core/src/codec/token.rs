//! What identifies a caller inside a header's value: a scheme and its credential, one cookie, claims of a token.

use std::collections::HashMap;
use std::ops::Range;

use serde_json::Value;

use super::json::base64;

/// Longer words in front of a credential are no scheme.
const SCHEME: usize = 32;

/// The part without blanks at its ends.
fn trimmed(content: &[u8]) -> Range<usize> {
    let start = content.len() - content.trim_ascii_start().len();
    start..start + content.trim_ascii().len()
}

/// The scheme of `Scheme credential` and what stands behind it; None when there is no scheme.
pub(crate) fn scheme(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = content.iter().position(u8::is_ascii_whitespace)?;
    let (word, rest) = content.split_at_checked(blank)?;
    let is_word = word
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    (is_word && (1..=SCHEME).contains(&word.len())).then(|| (word, rest.trim_ascii_start()))
}

/// A credential as it stands, less the blanks around it; and what of it must not be missing: all behind the scheme.
pub(crate) fn credential(content: &[u8]) -> (Range<usize>, &[u8]) {
    let leading = content.trim_ascii_start();
    let secret = scheme(leading).map_or(leading, |(_, rest)| rest);
    (trimmed(content), secret.trim_ascii_end())
}

/// The value of one cookie in `a=1; b="2"`, less its quotes; the first of that name.
pub(crate) fn cookie(content: &[u8], name: &[u8]) -> Option<Range<usize>> {
    let mut at = 0;
    for pair in content.split(|&byte| byte == b';') {
        if let Some(equals) = pair.iter().position(|&byte| byte == b'=') {
            let (key, value) = pair.split_at_checked(equals)?;
            if key.trim_ascii() == name {
                let value = value.get(1..)?;
                let Range { start, end } = trimmed(value);
                let quoted = end >= start + 2
                    && value.get(start) == Some(&b'"')
                    && value.get(end - 1) == Some(&b'"');
                let inside = usize::from(quoted);
                let from = at + equals + 1;
                return Some(from + start + inside..from + end - inside);
            }
        }
        at += pair.len() + 1;
    }
    None
}

/// Claims of the token in a header's value: texts and whole numbers, in the order of `names`, empty where one is missing.
///
/// The signature is not verified. None when it is no token, or the last claim is missing.
pub(crate) fn claims(content: &[u8], names: &[u8]) -> Option<Vec<String>> {
    let content = content.trim_ascii();
    let token = scheme(content).map_or(content, |(_, rest)| rest);
    let mut parts = token.split(|&byte| byte == b'.');
    let (Some(_), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let payload = base64::decode(payload)?;
    let said: HashMap<String, Value> = serde_json::from_slice(&payload).ok()?;
    let texts: Vec<String> = names
        .split(|&byte| byte == b',')
        .map(
            |name| match said.get(std::str::from_utf8(name).unwrap_or_default()) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) if !number.is_f64() => number.to_string(),
                _ => String::new(),
            },
        )
        .collect();
    texts
        .last()
        .is_some_and(|last| !last.is_empty())
        .then_some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cookie_among_others() {
        let of =
            |text: &'static str| cookie(text.as_bytes(), b"sid").and_then(|range| text.get(range));
        assert_eq!(of("sid=1"), Some("1"));
        assert_eq!(of("a=b; sid=\"x=y\" ;sid=2"), Some("x=y"));
        assert_eq!(of("xsid=1; SID=2; sid"), None);
        assert_eq!(of("sid="), Some(""));
        assert_eq!(of("sid=\""), Some("\""));
    }

    #[test]
    fn a_scheme_is_a_word_in_front() {
        assert_eq!(scheme(b"Bearer  x y"), Some((&b"Bearer"[..], &b"x y"[..])));
        assert_eq!(scheme(b"key"), None);
        assert_eq!(scheme(b"a=b c"), None);
        assert_eq!(credential(b" Bearer *** "), (1..11, &b"***"[..]));
        assert_eq!(credential(b"Bearer "), (0..6, &b""[..]));
    }

    #[test]
    fn claims_are_read_without_a_signature() {
        // {"iss":"https://a","sub":"7"}
        let token = b"bearer e30.eyJpc3MiOiJodHRwczovL2EiLCJzdWIiOiI3In0.x";
        let read = |names: &[u8]| claims(token, names);
        assert_eq!(read(b"iss,sub"), Some(vec!["https://a".into(), "7".into()]));
        assert_eq!(read(b"nobody,sub"), Some(vec![String::new(), "7".into()]));
        assert_eq!(read(b"iss,oid"), None);
        for broken in [
            "",
            "a.b",
            "Bearer e30.!.x",
            "e30.e30",
            "e30.W10.x",
            "a.b.c.d",
        ] {
            assert_eq!(claims(broken.as_bytes(), b"sub"), None, "{broken}");
        }
    }
}
