"""What callers chose is shown as text."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from apisec_otel.findings.text import LONGEST, escape, short


@given(st.text(st.characters()))
def test_nothing_controls_a_terminal(text):
    assert not {unicodedata.category(character) for character in escape(text)} & {"Cc", "Cs", "Zl", "Zp"}
    escape(text).encode()


@given(st.text(st.characters(), max_size=600))
def test_it_is_short_and_whole_characters(text):
    assert len(short(text).encode()) <= LONGEST < 256


def test_examples():
    assert escape("a\nb\x1b[2J\u202e") == "a\\x0ab\\x1b[2J\\u202e"
    assert short("é" * 300).endswith("…")
    assert short("/orders/{id}") == "/orders/{id}"
