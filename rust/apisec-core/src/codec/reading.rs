//! From an attribute's value to a column's: parts of targets and URLs, as ranges of their text; numbers; RPC status.

use std::ops::Range;

fn find(bytes: &[u8], wanted: impl Fn(u8) -> bool) -> Option<usize> {
    bytes.iter().position(|&byte| wanted(byte))
}

/// Where the authority of an absolute URL begins: behind the first `://` that precedes path, query and fragment.
fn authority(content: &[u8]) -> Option<usize> {
    let colon = find(content, |byte| matches!(byte, b':' | b'/' | b'?' | b'#'))?;
    content
        .get(colon..)?
        .starts_with(b"://")
        .then_some(colon + 3)
}

/// `/a?b#c` or `http://h/a?b#c` to `/a`.
pub(crate) fn path(content: &[u8]) -> Range<usize> {
    let end = find(content, |byte| matches!(byte, b'?' | b'#')).unwrap_or(content.len());
    let head = content.get(..end).unwrap_or_default();
    let start = match authority(content) {
        Some(start) => {
            start + find(head.get(start..).unwrap_or_default(), |byte| byte == b'/').unwrap_or(end)
        }
        None => 0,
    };
    start.min(end)..end
}

/// `/a?b#c` to `b`.
pub(crate) fn query(content: &[u8]) -> Range<usize> {
    let end = find(content, |byte| byte == b'#').unwrap_or(content.len());
    let start = find(content, |byte| byte == b'?').map_or(end, |mark| mark + 1);
    start.min(end)..end
}

/// `http://u@h:1/a` to `h`.
pub(crate) fn url_host(content: &[u8]) -> Range<usize> {
    let Some(start) = authority(content) else {
        return 0..0;
    };
    let rest = content.get(start..).unwrap_or_default();
    let end = start + find(rest, |byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let user = content
        .get(start..end)
        .unwrap_or_default()
        .iter()
        .rposition(|&byte| byte == b'@');
    let start = user.map_or(start, |at| start + at + 1);
    let host = host(content.get(start..end).unwrap_or_default());
    start + host.start..start + host.end
}

/// `http://h/a` to `http`.
pub(crate) fn url_scheme(content: &[u8]) -> Range<usize> {
    0..authority(content).map_or(0, |start| start - 3)
}

/// `h:80` to `h`, `[::1]:80` to `::1`; a bare IPv6 address stays.
pub(crate) fn host(content: &[u8]) -> Range<usize> {
    if content.first() == Some(&b'[') {
        let end = find(content, |byte| byte == b']').unwrap_or(content.len());
        return 1..end;
    }
    match find(content, |byte| byte == b':') {
        Some(colon) if content.iter().rposition(|&byte| byte == b':') == Some(colon) => 0..colon,
        _ => 0..content.len(),
    }
}

/// A decimal number of at most 15 digits and as many decimals; nothing else is one.
pub(crate) fn number(text: &[u8]) -> Option<f64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let point = find(digits, |byte| byte == b'.');
    let (whole, decimals) = digits.split_at_checked(point.unwrap_or(digits.len()))?;
    let decimals = decimals.strip_prefix(b".").unwrap_or(b"0");
    let sound = |part: &[u8]| matches!(part.len(), 1..=15) && part.iter().all(u8::is_ascii_digit);
    if !sound(whole) || !sound(decimals) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The HTTP status of a gRPC status code (google.rpc.Code).
pub(crate) fn grpc_code(code: i64) -> Option<f64> {
    Some(f64::from(match code {
        0 => 200,
        1 => 499,
        2 | 13 | 15 => 500,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 405,
        14 => 503,
        16 => 401,
        _ => return None,
    }))
}

const GRPC_NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The HTTP status of a gRPC status by name or number in a text.
pub(crate) fn grpc_text(text: &[u8]) -> Option<f64> {
    let named = GRPC_NAMES
        .iter()
        .position(|name| name.as_bytes().eq_ignore_ascii_case(text));
    match named {
        Some(code) => grpc_code(code as i64),
        None => number(text)
            .filter(|code| code.fract() == 0.0)
            .and_then(|code| grpc_code(code as i64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(reading: fn(&[u8]) -> Range<usize>, text: &str) -> &str {
        text.get(reading(text.as_bytes())).unwrap_or("outside")
    }

    #[test]
    fn urls_come_apart() {
        let url = "https://me@api.x:8443/orders/7?a=1&b=/c#d?e";
        assert_eq!(of(path, url), "/orders/7");
        assert_eq!(of(query, url), "a=1&b=/c");
        assert_eq!(of(url_host, url), "api.x");
        assert_eq!(of(url_scheme, url), "https");
        assert_eq!(of(path, "/a/http://b?c"), "/a/http://b");
        assert_eq!(of(path, "http://h?x"), "");
        assert_eq!(of(query, "/a#b?c"), "");
        assert_eq!(of(host, "[::1]:80"), "::1");
        assert_eq!(of(host, "::1"), "::1");
        assert_eq!(of(host, "h:80"), "h");
    }

    #[test]
    fn numbers_are_plain_decimals() {
        assert_eq!(number(b"200"), Some(200.0));
        assert_eq!(number(b"-1.5"), Some(-1.5));
        for text in ["", "inf", "1e5", " 1", "+1", "1.", ".5", "1_0"] {
            assert_eq!(number(text.as_bytes()), None, "{text}");
        }
        assert_eq!(grpc_text(b"unauthenticated"), Some(401.0));
        assert_eq!(grpc_text(b"7"), Some(403.0));
    }
}
