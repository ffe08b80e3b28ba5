"""What is printed: it reads back as the same, and tells no secret."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from apisec_otel.cli.options import packaged
from apisec_otel.component import parse_size
from apisec_otel.config import read
from apisec_otel.config.duration import format_duration, parse_duration
from apisec_otel.config.schema import schema
from apisec_otel.config.show import show

ROOT = Path(__file__).parents[3]


def test_what_is_printed_reads_back_as_the_same() -> None:
    config = read([packaged()], environment={})
    again = read([f"yaml:{show(config)}"], environment={})
    assert again.components == config.components
    assert again.pipelines == config.pipelines


def test_secrets_are_not_printed() -> None:
    settings = [
        "exporters::otlp_http::headers::authorization=s3cret",
        "exporters::otlp_http::endpoint=http://me:s3cret@backend:4318",
        "receivers::otlp::authorization=[Bearer s3cret]",
        "processors::requests::hash_key=00112233445566778899aabbccddeeff",
    ]
    printed = show(read([packaged()], settings, {}))
    assert "s3cret" not in printed
    assert "00112233" not in printed
    assert printed.count("[REDACTED]") == 4


def test_a_secret_is_not_told_by_an_error() -> None:
    with pytest.raises(Exception, match="hash_key is 32 hex digits") as caught:
        read([packaged()], ["processors::requests::hash_key=s3cret"], {})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("name", ["default", "replay", "tap"])
def test_the_packaged_pipelines_are_those_of_the_tree(name: str) -> None:
    assert packaged(name).read_text() == (ROOT / "pipelines" / f"{name}.yaml").read_text()


def test_the_schema_knows_the_packaged_default() -> None:
    made = schema()
    tree = yaml.safe_load(packaged().read_text())
    assert set(tree) <= set(made["properties"])
    text = json.dumps(made)
    assert all(f'"$ref": "{ref}"' not in text or ref[8:] in made["$defs"] for ref in _refs(made))
    assert "Distinct objects are counted over this long." in text
    assert made["properties"]["processors"]["patternProperties"]["^sessions(/.+)?$"]["additionalProperties"] is False


def _refs(value: object) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(_refs(item) for item in value.values()))
    return set().union(*(_refs(item) for item in value)) if isinstance(value, list) else set()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30m", 1800), ("1h30m", 5400), ("500ms", 0.5), ("1.5s", 1.5), ("-2s", -2), ("0", 0), ("1d", 86400), ("3us", 3e-6)],
)
def test_durations(text: str, seconds: float) -> None:
    value = parse_duration(text)
    assert value == timedelta(seconds=seconds)
    assert parse_duration(format_duration(value)) == value


@pytest.mark.parametrize("text", ["30", "m", "1x", "1h 30m", ""])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="a number with a unit"):
        parse_duration(text)


@pytest.mark.parametrize(("text", "size"), [("32MiB", 32 << 20), ("64k", 64_000), ("1 GiB", 1 << 30), ("12", 12), (7, 7), ("1.5KiB", 1536)])
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size
