"""What texts look like: the native features against the oracle, on any bytes and on texts made of what attacks are made of."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from apisec_otel._native import text_features
from apisec_otel.spans.syntax import LITERALS, WORDS, syntax_json
from apisec_otel.testing.reference.text import features

SYNTAX = syntax_json()
LITERAL = sorted({text for places in LITERALS.values() for weights in places.values() for texts in weights.values() for text in texts})
WORD = sorted({word for words in WORDS.values() for word in words.split()})
PIECE = (
    "' or ", '" or ', ") or ", "1=1", "'a'='a'", "1<2", "--", "-- ", "'--", "#", "/*", "*/", " union all select ", " from ", "; ", "| ",
    "&", "&& ", "`", "$(", " onload=", "<x", "(", ")", "[", "'", '"', " ", "+", "\t", "\r\n", "\nab-c:", "http/1.1", "\0", "%", "%%",
    "%2", "%zz", "%41", "%27", "%2527", "%252527", "%253c", "%2520", "%u0027", "%uff1c", "%UFF07", "%u00e9", "%ud83d", "%25u003c",
    "%c0%ae", "%c1%93", "%e0%80%ae", "%ef%bc%9c", "%ef%bc%87", "%ef%bd%81/", "%ef%bc%8c", "%c3%a9", "%ff", "%f0%9f%98%80", "\\x27", "\\x",
    "\\u003c", "\\u00", "a" * 23, "A" * 24, "0" * 64, "x" * 256, "O'Brien", "7",
)  # fmt: skip

pasted = st.builds(
    lambda parts: "".join(parts).encode(), st.lists(st.sampled_from((*PIECE, *LITERAL, *WORD)) | st.characters(codec="utf-8"), max_size=12)
)
sentences = st.builds(lambda parts: " ".join(parts).encode(), st.lists(st.sampled_from(WORD) | st.sampled_from(PIECE), max_size=12))
multibyte = st.lists(st.sampled_from(b"\xc0\xc1\xc3\xe0\xef\xbc\xbd\xbf\x80\xae\xaf\xa7\x93\xf0\xff'/<AZ"), max_size=16).map(bytes)
plain = st.one_of(pasted, sentences, multibyte, st.binary(max_size=60))
encoded = st.builds(lambda text, times: _encoded(text, times), plain, st.integers(1, 4))
texts = plain | encoded | plain.map(bytes.swapcase) | st.builds(lambda text, times: text * times, plain, st.sampled_from((3, 30, 900)))


def _encoded(text: bytes, times: int) -> bytes:
    for _ in range(times):
        text = quote(text, safe="").encode()
    return text


@settings(deadline=None, max_examples=1_500)
@given(raw=texts, plus=st.booleans(), body=st.booleans())
def test_the_native_features_are_those_of_the_reference(raw: bytes, plus: bool, body: bool) -> None:
    assert text_features(raw, plus, body, SYNTAX) == features(raw, plus, body, SYNTAX), raw


@settings(deadline=None, max_examples=500)
@given(raw=texts, more=st.binary(min_size=1, max_size=20))
def test_what_stands_behind_the_first_4096_bytes_says_nothing(raw: bytes, more: bytes) -> None:
    long = (raw + b"-" * 4_096)[:4_096]
    assert text_features(long + more, True, False, SYNTAX) == text_features(long, True, False, SYNTAX)
