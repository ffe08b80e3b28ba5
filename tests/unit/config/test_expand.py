"""`${}` as in the Collector."""

from pathlib import Path

import pytest

from apisec_otel.config.expand import Expander
from apisec_otel.config.node import Node, merge, parse, setting
from apisec_otel.errors import ConfigError

ENVIRONMENT = {"HOST": "db", "PORT": "4317", "LIST": "[a, b]", "EMPTY": "", "NESTED": "${env:HOST}"}


def plain(node: Node) -> object:
    if isinstance(node.value, dict):
        return {key: plain(value) for key, value in node.value.items()}
    return [plain(item) for item in node.value] if isinstance(node.value, list) else node.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${env:HOST}", "db"),
        ("${HOST}", "db"),
        ("'${env:PORT}'", 4317),
        ("${env:HOST}:${env:PORT}", "db:4317"),
        ("${env:GONE:-fallback}", "fallback"),
        ("'${env:GONE:-http://localhost:14318}'", "http://localhost:14318"),
        ("${env:GONE:-${env:HOST}}", "db"),
        ("${env:GONE}", None),
        ("a${env:GONE}b", "ab"),
        ("${env:EMPTY:-x}", None),
        ("${env:LIST}", ["a", "b"]),
        ("${env:NESTED}", "db"),
        ("$$HOME costs $5", "$HOME costs $5"),
        ("$${env:HOST}", "${env:HOST}"),
        ("${yaml:[1, 2]}", [1, 2]),
    ],
)
def test_expands(text: str, value: object) -> None:
    assert plain(Expander(ENVIRONMENT).expand(parse(text, "f"))) == value


def test_a_file_is_read_without_its_last_line_break(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    assert plain(Expander({}).expand(parse(f"${{file:{tmp_path}/token}}", "f"))) == "s3cret"


def test_an_unset_variable_is_noted() -> None:
    expander = Expander({})
    expander.expand(parse("a:\n  b: ${env:GONE}", "f.yaml"))
    assert expander.notes == ["f.yaml:2: the environment variable GONE is not set, so it is empty"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("${env:A", "without its"), ("${http://x}", "schemes are"), ("${env:1x}", "no name"), ("${file:/none}", "cannot be read")],
)
def test_what_cannot_be_expanded_says_where(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        Expander({}).expand(parse(f'a: "{text}"', "f.yaml"))
    assert str(caught.value).startswith("f.yaml:1:")


def test_a_variable_that_names_itself_ends() -> None:
    with pytest.raises(ConfigError, match="expands into itself"):
        Expander({"A": "${env:A}"}).expand(parse("${env:A}", "f"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("no", "no"),
        ("true", True),
        ("1e-4", 1e-4),
        ("0x10", 16),
        ("007", 7),
        ("-.5", -0.5),
        ("~", None),
        ("1:30", "1:30"),
        ("", None),
        (".inf", float("inf")),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    assert plain(parse(f"a: {text}", "f")) == {"a": value}


def test_anchors_and_merge_keys() -> None:
    assert plain(parse("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}", "f")) == {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}


def test_maps_merge_and_lists_are_replaced() -> None:
    merged = merge(parse("a: {b: 1, c: [1, 2]}", "f"), merge(parse("a: {c: [3]}", "g"), setting("a::d=true")))
    assert plain(merged) == {"a": {"b": 1, "c": [3], "d": True}}
    assert str(merged.map["a"].map["c"].place) == "g:1"


@pytest.mark.parametrize("argument", ["a", "a::=1", "=1"])
def test_set_wants_a_key_and_a_value(argument: str) -> None:
    with pytest.raises(ConfigError, match="write --set"):
        setting(argument)
