//! What texts of a request look like: laws of the features.
#![allow(clippy::expect_used)]

use apisec_core::text::classes::{self, length_bucket};
use apisec_core::text::decode::{Buffers, Met, decode};
use apisec_core::text::{Features, NO_FAMILY, Scratch, Syntax, features};

mod scores;

use scores::ATTACKS;

const SYNTAX: &str = include_str!("../../examples/syntax.json");

fn syntax() -> Syntax {
    Syntax::from_json(SYNTAX).expect("the shipped syntax")
}

/// Of a text where `+` is itself and line breaks are unusual.
fn look(text: &[u8]) -> Features {
    features(text, false, false, &syntax(), &mut Scratch::default())
}

fn percent_encoded(text: &[u8]) -> Vec<u8> {
    let digits = text.iter().map(|byte| format!("%{byte:02x}"));
    digits.collect::<String>().into_bytes()
}

#[test]
fn a_plus_is_a_space_only_where_asked() {
    let (syntax, mut scratch) = (syntax(), Scratch::default());
    let mut classes = |plus| features(b"a+b", plus, false, &syntax, &mut scratch).classes;
    assert_eq!(classes(true), classes::LOWER | classes::SPACE);
    assert_eq!(classes(false), classes::LOWER | classes::mark(b'+'));
}

#[test]
fn encodings_are_named() {
    for (text, met) in [
        ("%27", Met(0)),
        ("%2527", Met::DOUBLE),
        ("%2541%252f", Met(0)),
        ("%u0041", Met::PERCENT_U),
        ("%c0%ae", Met::OVERLONG),
        ("%00", Met::NUL),
        ("a%0ab", Met::LINE_BREAK),
        ("%ef%bc%9c", Met::FULL_WIDTH),
        ("%ef%bc%8c", Met(0)),
        ("\\u003c", Met::BACKSLASH),
        ("\\x3c", Met::BACKSLASH),
        ("c:\\xyz", Met(0)),
    ] {
        assert_eq!(
            decode(text.as_bytes(), false, &mut Buffers::default()).met,
            met,
            "{text}"
        );
    }
}

#[test]
fn three_layers_are_decoded_and_no_more() {
    let mut buffers = Buffers::default();
    for (text, decoded) in [
        ("%27", "'"),
        ("%2527", "'"),
        ("%252527", "'"),
        ("%25252527", "%27"),
        ("100%", "100%"),
        ("%zz%2", "%zz%2"),
        ("%u00e9%uff1c", "\u{e9}<"),
    ] {
        let bytes = decode(text.as_bytes(), false, &mut buffers).bytes;
        assert_eq!(bytes, decoded.as_bytes(), "{text}");
    }
}

#[test]
fn bytes_beyond_ascii_are_utf8_or_not() {
    let which = classes::UTF8 | classes::NOT_UTF8;
    assert_eq!(look("caf\u{e9}".as_bytes()).classes & which, classes::UTF8);
    assert_eq!(look(b"caf\xe9").classes & which, classes::NOT_UTF8);
    assert_eq!(look(b"cafe").classes & which, 0);
}

#[test]
fn lengths_fall_into_two_buckets_an_octave() {
    let buckets = [0, 1, 16, 17, 22, 23, 32, 33, 64, 2048, 2049, 4096].map(length_bucket);
    assert_eq!(buckets, [0, 1, 16, 17, 17, 18, 18, 19, 20, 30, 31, 31]);
}

#[test]
fn shapes_tell_kinds_of_texts_and_not_texts() {
    let shape = |text: &str| look(text.as_bytes()).shape;
    assert_eq!(shape("Ada Lovelace"), shape("Grace Hopper"));
    assert_eq!(shape("2024-11-26"), shape("1999-01-01"));
    assert_ne!(shape("2024-11-26"), shape("2024/11/26"));
    assert_ne!(shape("Ada"), shape("ada"));
}

#[test]
fn no_more_than_4096_bytes_are_looked_at() {
    let padded = [&[b'-'; 4096], b"<script>alert(1)</script>".as_slice()].concat();
    assert_eq!(look(&padded), look(&padded[..4096]));
}

#[test]
fn nothing_is_of_no_family() {
    let nothing = Features {
        length: 0,
        classes: 0,
        shape: look(b"").shape,
        syntax: 0,
        family: NO_FAMILY,
    };
    assert_eq!(look(b""), nothing);
}

/// Texts of pieces that rules look at, cut and put together anyhow: buffers left dirty must not tell.
#[test]
fn buffers_used_again_change_nothing() {
    let (syntax, mut used) = (syntax(), Scratch::default());
    let mut draw = 1_u64;
    let mut next = |below: usize| {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (draw >> 33) as usize % below
    };
    for _ in 0..20_000 {
        let mut text = Vec::new();
        for _ in 0..next(4) {
            let piece = ATTACKS[next(ATTACKS.len())].as_bytes();
            text.extend(&piece[next(piece.len())..]);
            text.push(next(256) as u8);
        }
        let text = if next(3) == 0 {
            percent_encoded(&text)
        } else {
            text
        };
        let fresh = features(&text, true, false, &syntax, &mut Scratch::default());
        assert_eq!(
            features(&text, true, false, &syntax, &mut used),
            fresh,
            "{}",
            text.escape_ascii()
        );
    }
}
