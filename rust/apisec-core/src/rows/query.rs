//! Query strings: the parameter that names an object.

/// The value of the first parameter called `id` or ending in `_id`, `Id` or `-id`; None when there is none.
pub fn object(query: &[u8]) -> Option<&[u8]> {
    query
        .strip_prefix(b"?")
        .unwrap_or(query)
        .split(|b| *b == b'&')
        .filter_map(pair)
        .find(|(name, value)| names_an_object(name) && !value.is_empty())
        .map(|(_, value)| value)
}

fn pair(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|b| *b == b'=')?;
    Some((&text[..at], &text[at + 1..]))
}

fn names_an_object(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"id")
        || name.ends_with(b"_id")
        || name.ends_with(b"Id")
        || name.ends_with(b"-id")
}

/// The number in an object's id, `1042` in `1042` and in `INV-01042`; NaN when there is none, or more than one.
pub fn number(object: &[u8]) -> f64 {
    const EXACT: usize = 15;
    let mut runs = object
        .split(|b| !b.is_ascii_digit())
        .filter(|run| !run.is_empty());
    match (runs.next(), runs.next()) {
        (Some(digits), None) if digits.len() <= EXACT => digits
            .iter()
            .fold(0.0, |sum, digit| 10.0 * sum + f64::from(digit - b'0')),
        _ => f64::NAN,
    }
}

/// Percent-decodes when there is anything to decode, so that one object spelt in two ways stays one.
pub fn decoded(value: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    if !value.contains(&b'%') {
        return value.into();
    }
    let mut out = Vec::with_capacity(value.len());
    let mut at = 0;
    while at < value.len() {
        match escape(&value[at..]) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(value[at]);
                at += 1;
            }
        }
    }
    out.into()
}

fn escape(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else {
        return None;
    };
    let digit = |b: u8| char::from(b).to_digit(16);
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_object_parameter() {
        assert_eq!(object(b"page=2&order_id=77&id=3"), Some(&b"77"[..]));
        assert_eq!(object(b"?userId=9"), Some(&b"9"[..]));
        assert_eq!(object(b"paid=1&id="), None);
    }

    #[test]
    fn decodes_escapes_and_keeps_what_is_none() {
        assert_eq!(&*decoded(b"a%62c%zz%4"), b"abc%zz%4");
    }

    #[test]
    fn reads_the_number_in_an_object() {
        assert_eq!(number(b"7"), 7.0);
        assert_eq!(number(b"INV-01042"), 1042.0);
        for none in ["", "me", "a1b2", "2026-11-23", "1234567890123456"] {
            assert!(number(none.as_bytes()).is_nan(), "{none}");
        }
    }
}
