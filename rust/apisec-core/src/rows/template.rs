//! Route templates in one spelling, whatever framework wrote them, and typed templates where there is no route.

/// A template in our spelling and where its variables are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// `/orders/{id}`.
    pub text: String,
    /// How many segments from the end the last variable stands (0 = last segment); None when there is none.
    pub object: Option<usize>,
    /// Number of segments.
    pub segments: usize,
    /// It ends in a segment that takes the rest of the path.
    pub catch_all: bool,
    /// It has at least one variable.
    pub variable: bool,
}

/// Brings a framework's route to `/orders/{id}`; None for an empty route or a bare catch-all.
///
/// Understood: `{id}` `{id:int}` `{id...}` `:id` `:id?` `<id>` `<int:id>` `(?P<id>\d+)` `*` `**` `{proxy+}`, a leading
/// `^`, a trailing `$` or slash, a missing first slash, and Go's `GET host/path` patterns.
pub fn normalise(route: &str) -> Option<Template> {
    let path = without_method(route.trim())
        .trim_start_matches('^')
        .trim_end_matches('$');
    let segments: Vec<String> = split_segments(path)
        .iter()
        .map(|segment| segment_of(segment))
        .collect();
    let template = build(segments);
    let bare_catch_all = template.catch_all && template.segments == 1;
    (!path.is_empty() && !bare_catch_all).then_some(template)
}

fn without_method(route: &str) -> &str {
    match route.split_once(' ') {
        Some((method, rest)) if method.bytes().all(|b| b.is_ascii_uppercase()) => {
            let rest = rest.trim_start();
            rest.find('/').map_or(rest, |at| &rest[at..])
        }
        _ => route,
    }
}

/// Splits at slashes outside brackets, for a regular expression may contain one.
fn split_segments(path: &str) -> Vec<&str> {
    let (mut out, mut depth, mut from) = (Vec::new(), 0_i32, 0);
    for (at, b) in path.bytes().enumerate() {
        match b {
            b'(' | b'{' | b'<' | b'[' => depth += 1,
            b')' | b'}' | b'>' | b']' => depth -= 1,
            b'/' if depth <= 0 => {
                out.push(&path[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    out.push(&path[from..]);
    out.retain(|segment| !segment.is_empty());
    out
}

fn segment_of(segment: &str) -> String {
    if matches!(segment, "*" | "**" | "(.*)" | ".*") {
        return "{*}".into();
    }
    if let Some(name) = segment.strip_prefix(':') {
        return format!("{{{}}}", word(name));
    }
    bracketed(segment).unwrap_or_else(|| segment.to_owned())
}

/// Rewrites each `{..}`, `<..>` and named group inside a segment; None when there is none.
fn bracketed(segment: &str) -> Option<String> {
    let open = segment.find(['{', '<', '('])?;
    let close = closing(segment, open)?;
    let inner = &segment[open + 1..close];
    let rest = &segment[close + 1..];
    let name = match segment.as_bytes()[open] {
        b'(' => group_name(inner).unwrap_or("id"),
        b'<' => inner.rsplit(':').next().unwrap_or(inner),
        _ => inner.split(':').next().unwrap_or(inner),
    };
    let braces = segment.as_bytes()[open] != b'(';
    let takes_rest = braces
        && (inner.ends_with("...")
            || inner.ends_with('+') && !inner.contains(':')
            || inner.starts_with("path:")
            || inner.ends_with(":path"));
    let name = if takes_rest || name.starts_with('*') {
        "*"
    } else {
        word(name)
    };
    let tail = bracketed(rest).unwrap_or_else(|| rest.to_owned());
    Some(format!("{}{{{name}}}{tail}", &segment[..open]))
}

fn closing(segment: &str, open: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, b) in segment.bytes().enumerate().skip(open) {
        match b {
            b'{' | b'<' | b'(' | b'[' => depth += 1,
            b'}' | b'>' | b')' | b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

fn group_name(inner: &str) -> Option<&str> {
    let rest = inner
        .strip_prefix("?P<")
        .or_else(|| inner.strip_prefix("?<"))?;
    rest.split('>').next()
}

fn word(name: &str) -> &str {
    let end = name
        .bytes()
        .position(|b| !(b.is_ascii_alphanumeric() || b == b'_' || b == b'-'))
        .unwrap_or(name.len());
    if end == 0 { "id" } else { &name[..end] }
}

fn build(segments: Vec<String>) -> Template {
    let variable_at = segments.iter().rposition(|s| s.contains('{') && s != "{*}");
    let catch_all = segments.last().is_some_and(|s| s == "{*}");
    Template {
        text: format!("/{}", segments.join("/")),
        object: variable_at.map(|at| segments.len() - 1 - at),
        segments: segments.len(),
        catch_all,
        variable: segments.iter().any(|s| s.contains('{')),
    }
}

/// How a variable without a name is written.
pub const VARIABLE: &str = "{id}";

/// The segments of a path that say something.
pub fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// Segments as one text.
pub fn joined(segments: &[&str]) -> String {
    format!("/{}", segments.join("/"))
}

/// The template that segments make, variables in their places.
pub fn of_segments(segments: &[&str]) -> Template {
    build(
        segments
            .iter()
            .map(|segment| (*segment).to_owned())
            .collect(),
    )
}

/// Whether a path is of a template in our spelling: `{name}` takes one segment, a last `{*}` the rest.
pub fn matches(template: &str, path: &str) -> bool {
    let mut asked = segments(path);
    for wanted in segments(template) {
        if wanted == "{*}" {
            return true;
        }
        let Some(segment) = asked.next() else {
            return false;
        };
        if wanted != segment && !wanted.starts_with('{') {
            return false;
        }
    }
    asked.next().is_none()
}

/// Whether a segment looks like a value: number, date, IP address, UUID, hash, token, JWT, prefixed id, email, locale.
///
/// Versions such as `v1` do not.
pub fn is_value(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    let count = |wanted: fn(&u8) -> bool| bytes.iter().filter(|b| wanted(b)).count();
    let digits = count(u8::is_ascii_digit);
    let letters = count(u8::is_ascii_alphabetic);
    let hexes = count(|b| b.is_ascii_hexdigit() || *b == b'-');
    let all_number = digits > 0 && letters == 0;
    let hash = hexes == bytes.len() && bytes.len() >= 8 && digits > 0;
    let token = bytes.len() >= 8 && digits >= 3;
    let escaped = segment.contains('%') && digits + letters + 2 < bytes.len();
    all_number
        || hash
        || token
        || escaped
        || segment.contains('@')
        || is_ulid(bytes)
        || is_mixed(bytes)
        || is_prefixed(segment)
        || is_locale(bytes)
        || segment.starts_with("eyJ") && segment.split('.').count() == 3
        || segment.parse::<std::net::Ipv6Addr>().is_ok()
}

/// 26 letters and digits of Crockford's alphabet, the first below 8.
fn is_ulid(bytes: &[u8]) -> bool {
    let known = |b: &u8| b.is_ascii_digit() || b.is_ascii_uppercase() && !b"ILOU".contains(b);
    bytes.len() == 26 && matches!(bytes.first(), Some(b'0'..=b'7')) && bytes.iter().all(known)
}

/// Ten or more of base64's alphabet with both cases and a digit.
fn is_mixed(bytes: &[u8]) -> bool {
    let has = |wanted: fn(&u8) -> bool| bytes.iter().any(wanted);
    let known = |b: &u8| b.is_ascii_alphanumeric() || b"-_=+".contains(b);
    bytes.len() >= 10
        && bytes.iter().all(known)
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
}

/// `cus_NffrFeUf`: a short word in lower case and eight or more letters and digits, not of one kind.
fn is_prefixed(segment: &str) -> bool {
    let Some((prefix, rest)) = segment.split_once('_') else {
        return false;
    };
    let prefix_is =
        (2..=5).contains(&prefix.len()) && prefix.bytes().all(|b| b.is_ascii_lowercase());
    let mixed = !rest.bytes().all(|b| b.is_ascii_lowercase())
        && !rest.bytes().all(|b| b.is_ascii_uppercase());
    prefix_is && rest.len() >= 8 && rest.bytes().all(|b| b.is_ascii_alphanumeric()) && mixed
}

/// `en-GB`, `de_AT`.
fn is_locale(bytes: &[u8]) -> bool {
    matches!(bytes, [a, b, b'-' | b'_', c, d]
        if a.is_ascii_lowercase() && b.is_ascii_lowercase() && c.is_ascii_uppercase() && d.is_ascii_uppercase())
}

/// The segment of a path that stands `from_end` segments before its end; None when the path is shorter.
pub fn segment_from_end(path: &[u8], from_end: usize) -> Option<&[u8]> {
    path.split(|b| *b == b'/')
        .filter(|s| !s.is_empty())
        .rev()
        .nth(from_end)
}

/// Number of segments of a path.
pub fn count_segments(path: &[u8]) -> usize {
    path.split(|b| *b == b'/').filter(|s| !s.is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(route: &str) -> Option<String> {
        normalise(route).map(|t| t.text)
    }

    #[test]
    fn all_stacks_spell_alike() {
        for route in [
            "/api/orders/{id}",
            "/api/orders/:id",
            "api/orders/<int:id>",
            "api/orders/(?P<id>\\d+)$",
            "/api/orders/{id:[0-9]+}",
            "GET /api/orders/{id}",
            "/api/orders/<id>/",
            "^api/orders/(?P<id>[^/]+)/$",
            "/api/orders/:id(\\d+)?",
        ] {
            assert_eq!(text(route).as_deref(), Some("/api/orders/{id}"), "{route}");
        }
    }

    #[test]
    fn catch_alls_and_empty_routes_are_no_routes() {
        for route in ["", "/**", "/*", "*", "/{path:path}", "/{proxy+}"] {
            assert_eq!(text(route), None, "{route}");
        }
        assert_eq!(text("/"), Some("/".into()));
        assert!(normalise("/static/{file...}").is_some_and(|t| t.catch_all && t.object.is_none()));
    }

    #[test]
    fn knows_where_the_object_is() {
        let of = |route: &str| normalise(route).and_then(|t| t.object);
        assert_eq!(of("/orders/{id}"), Some(0));
        assert_eq!(of("/users/{user}/orders/{id}/items"), Some(1));
        assert_eq!(of("/orders"), None);
        assert_eq!(
            segment_from_end(b"/users/5/orders/77/items", 1),
            Some(&b"77"[..])
        );
    }

    #[test]
    fn types_segments_by_their_look() {
        for (path, want) in [
            ("/orders/77", "/orders/{id}"),
            ("/v1/users/me", "/v1/users/me"),
            ("/files/0d9f8e7a6b5c4d3e", "/files/{id}"),
            ("/u/123e4567-e89b-12d3-a456-426614174000/x", "/u/{id}/x"),
            ("/reports/2026-11-23", "/reports/{id}"),
            ("/users/ann@example.org", "/users/{id}"),
            ("/c/cus_NffrFeUfNV2Hib/x", "/c/{id}/x"),
            ("/c/01ARZHNDEKTSVRRFFQQGZBQFAV", "/c/{id}"),
            ("/c/en-GB/order_history", "/c/{id}/order_history"),
            ("/c/fe80::1/10.0.0.1", "/c/{id}/{id}"),
            ("/c/eyJhbGci.eyJzdWIi.c2ln", "/c/{id}"),
            ("/c/aGVsbG8gd29ybGQ1Q", "/c/{id}"),
        ] {
            let written: Vec<&str> = segments(path)
                .map(|s| if is_value(s) { VARIABLE } else { s })
                .collect();
            assert_eq!(joined(&written), want);
        }
    }
}
