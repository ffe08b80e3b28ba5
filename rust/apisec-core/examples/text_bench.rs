//! Time the features of texts: `cargo run --release --example text_bench`.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::Instant;

use apisec_core::text::{Error, Scratch, Syntax, features};

const SYNTAX: &str = include_str!("syntax.json");
/// What parameters hold mostly.
const SHORT: &[&str] = &[
    "1",
    "42",
    "1999",
    "true",
    "en",
    "desc",
    "price",
    "created_at",
    "2024-11-26",
    "de-DE",
    "blue",
    "XL",
    "550e8400-e29b-41d4-a716-446655440000",
    "maria.lopez%40example.com",
    "O%27Brien",
    "new+york",
    "red+shoes+for+men",
    "12.50",
    "48.8566",
    "SKU-88213-B",
    "eyJhbGciOiJIUzI1NiJ9",
    "9f86d081884c7d65",
    "page-2",
    "a1b2c3",
    "none",
];
/// Prose, a token, a search, a form with percent-encoded text.
const LONG: &[(&str, &str)] = &[
    (
        "prose",
        "The parcel arrived on Tuesday, two days late, but the driver was friendly and the box was not damaged at all. ",
    ),
    (
        "base64",
        "TG9yZW0gaXBzdW0gZG9sb3Igc2l0IGFtZXQsIGNvbnNlY3RldHVyIGFkaXBpc2NpbmcgZWxpdC4gU2VkIGRvIGVpdXNtb2Q",
    ),
    ("numbers", "1032,88,17.5,2024-11-26,9931,15,0.25,77102,"),
    (
        "encoded",
        "Calle%20Mayor%2012%2C%203%C2%BA%20izq%2E%2C%2028013%20Madrid%20",
    ),
];

fn main() -> Result<(), Error> {
    let (syntax, mut scratch) = (Syntax::from_json(SYNTAX)?, Scratch::default());
    report(
        "short mix",
        &SHORT
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>(),
        &syntax,
        &mut scratch,
    );
    for (name, piece) in LONG {
        report(
            name,
            &[piece.repeat(1 + 1_000 / piece.len())],
            &syntax,
            &mut scratch,
        );
    }
    Ok(())
}

/// Takes the best of some rounds: others use the machine too.
fn report(name: &str, texts: &[String], syntax: &Syntax, scratch: &mut Scratch) {
    let bytes: usize = texts.iter().map(String::len).sum();
    let times = 1 + 400_000 / bytes;
    let round = |scratch: &mut Scratch| {
        let begun = Instant::now();
        for text in (0..times).flat_map(|_| texts) {
            black_box(features(
                black_box(text.as_bytes()),
                true,
                false,
                syntax,
                scratch,
            ));
        }
        begun.elapsed().as_nanos() as f64 / times as f64
    };
    let best = (0..25)
        .map(|_| round(scratch))
        .fold(f64::INFINITY, f64::min);
    println!(
        "{name:<10} {:6.0} ns a value of {:4} bytes, {:5.2} ns a byte",
        best / texts.len() as f64,
        bytes / texts.len(),
        best / bytes as f64
    );
}
