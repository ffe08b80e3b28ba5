"""The syntax that is handed to native code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apisec_otel._native import text_features
from apisec_otel.spans.syntax import FAMILIES, syntax_json
from apisec_otel.testing.reference.syntax import NO_FAMILY

SHIPPED = Path(__file__).parents[3] / "rust/apisec-core/examples/syntax.json"


def test_cargo_tests_and_the_bench_read_the_same_syntax() -> None:
    assert SHIPPED.read_text() == syntax_json() + "\n", f"print(syntax_json()) into {SHIPPED.name}"


@pytest.mark.parametrize(
    ("text", "family"),
    [("' or 1=1--", "sql"), ("<script>", "markup"), ("../../etc/passwd", "file"), ("; curl x | sh", "command"), ("${jndi:x}", "template")],
)
def test_the_family_of_an_attack_is_named(text: str, family: str) -> None:
    *_, score, place = text_features(text.encode(), False, False, syntax_json())
    assert score >= 8 and FAMILIES[place] == family


def test_an_ordinary_name_is_of_no_family() -> None:
    assert text_features(b"O%27Brien", True, False, syntax_json())[3:] == (0, NO_FAMILY)


def test_an_unknown_family_is_refused_by_name() -> None:
    syntax = json.loads(syntax_json())
    syntax["literals"][0] |= {"text": "xyz", "family": "sqk"}
    with pytest.raises(ValueError, match='"xyz": "sqk" is no family'):
        text_features(b"", False, False, json.dumps(syntax))
