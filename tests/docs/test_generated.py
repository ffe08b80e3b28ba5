"""What is generated is current, and leaves nothing out."""

import re
from dataclasses import is_dataclass
from typing import Any

import click
import pytest
from pages import ROOT, name

from apisec_otel import semconv
from apisec_otel.builtin import BUILTIN, load
from apisec_otel.cli import COMMANDS, cli
from apisec_otel.component import FAMILIES
from apisec_otel.config.model import ServiceSettings
from apisec_otel.plan.rows import columns
from apisec_otel.processors.detect import EngineKeys
from apisec_otel.telemetry import COUNTED_ELSEWHERE
from docs import generate
from docs.pages import metrics, readme
from docs.pages.cli import implemented
from docs.pages.settings import rows

SOURCES = sorted((ROOT / "src" / "apisec_otel").rglob("*.py"))
CONSTANTS = {key: value for key, value in vars(semconv).items() if key.isupper() and isinstance(value, str)}


def reference(page: str) -> str:
    return (ROOT / "docs" / "reference" / f"{page}.md").read_text(encoding="utf-8")


def test_everything_is_current() -> None:
    assert [name(path) for path in generate.stale()] == [], "run `make docs`"


def test_check_says_what_is_stale(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["generate", "--check"])
    assert generate.main() == 0
    monkeypatch.setattr(metrics, "page", lambda: "another")
    assert generate.main() == 1
    assert "stale: docs/reference/metrics.md" in capsys.readouterr().err


def test_a_block_without_a_place_is_an_error() -> None:
    with pytest.raises(ValueError, match="<!-- detector -->"):
        readme.filled("# nothing", {"detector": "x"})


@pytest.mark.parametrize("family", FAMILIES)
def test_every_setting_has_a_meaning(family: Any) -> None:
    classes = [load(family, id) for id in BUILTIN[family]]
    for cls in [*classes, ServiceSettings, EngineKeys]:
        assert is_dataclass(cls)
        assert cls.__doc__, cls
        assert [key for key, _, _, meaning in rows(cls) if not meaning] == [], cls


def test_every_component_and_setting_is_on_its_page() -> None:
    for family in FAMILIES:
        text = reference("detectors" if family == "detectors" else "components")
        for id in BUILTIN[family]:
            assert f"## {id}\n" in text
            assert all(key in text for key, *_ in rows(load(family, id)))


def test_every_column_is_on_its_page() -> None:
    assert all(f"`{each.name}`" in reference("columns") for each in columns())


def test_every_command_and_option_is_on_its_page() -> None:
    text = reference("cli")
    for command in implemented():
        found = cli.get_command(click.Context(cli), command)
        assert found is not None
        assert f"## {command}\n" in text
        assert all(option in text for parameter in found.params for option in parameter.opts if option.startswith("--"))
    assert set(implemented()) <= set(COMMANDS)


def test_every_self_metric_is_documented() -> None:
    """Names in the code, those made of parts tried out, against the page."""
    counted = set(COUNTED_ELSEWHERE)
    for source in SOURCES:
        text = source.read_text(encoding="utf-8")
        for found in re.findall(r'\.(?:add|observe|counter)\(\s*f?"((?:apisec|otelcol)_[a-z_{}]+)"', text):
            hole = re.search(r"\{(\w+)\}", found)
            counted |= {found.replace(hole[0], part) for part in _parts(hole[1], found, text)} if hole else {found}
    assert counted == set(metrics.SELF)


def _parts(hole: str, found: str, text: str) -> list[str]:
    """What is put in the place of `{hole}`: by a loop above it, or by callers of the function that it is the first argument of."""
    loops = re.findall(rf'for {hole} in \(([^)]*)\):\n[^\n]*"{re.escape(found)}', text)
    calls = [name for name in re.findall(rf"def (\w+)\(self, {hole}: str", text) for name in re.findall(rf'{name}\("(\w+)"', text)]
    return [part for group in loops for part in re.findall(r'"(\w+)"', group)] or calls


def test_every_attribute_is_in_the_wire_contract() -> None:
    text = reference("wire-contract")
    written = {value for key, value in CONSTANTS.items() if value.startswith(("apisec.", "security_rule."))}
    assert {value for value in written - {semconv.RESERVED} if value not in text} == set()
    named = set(re.findall(r"`((?:apisec|security_rule)\.[a-z_.]+)", text))
    known = written | {f"{semconv.EVIDENCE}"}
    assert {each for each in named if each not in known} == set(), "nothing in semconv.py is called that"
