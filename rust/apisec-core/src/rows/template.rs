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

/// The template of a path by the look of its segments: numbers, UUIDs, hashes, dates, tokens become `{id}`.
///
/// Source: the typed stage of the templating that `docs/decisions` describes; versions such as `v1` stay literal.
pub fn typed(path: &str) -> Template {
    build(
        path.split('/')
            .filter(|s| !s.is_empty())
            .map(|s| {
                if is_value(s) {
                    "{id}".to_owned()
                } else {
                    s.to_owned()
                }
            })
            .collect(),
    )
}

fn is_value(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    let hexes = bytes
        .iter()
        .filter(|b| b.is_ascii_hexdigit() || **b == b'-')
        .count();
    let letters = bytes.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let all_number = digits > 0 && letters == 0;
    let hash = hexes == bytes.len() && bytes.len() >= 8 && digits > 0;
    let token = bytes.len() >= 8 && digits >= 3;
    all_number
        || hash
        || token
        || segment.contains('@')
        || segment.contains('%') && digits + letters < bytes.len() - 2
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
        ] {
            assert_eq!(typed(path).text, want);
        }
    }
}
