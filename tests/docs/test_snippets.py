"""Every snippet of configuration is valid, every command is one, and those that harm nothing are run."""

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from pages import ROOT, Block, blocks, commands

from apisec_otel.cli import cli
from apisec_otel.config import read
from docs.pages.cli import implemented

DEFAULT = ROOT / "pipelines" / "default.yaml"
CONFIGS = [block for block in blocks("yaml") if block.about != "collector" and "credential_sharing" not in block.text]
"""All but those that need a package installed, which are test_examples.py's and test_how_to.py's."""
COLLECTOR = [block for block in blocks("yaml") if block.about == "collector"]
LINES = [(block, line) for block in blocks("sh") if block.page.name != "write-a-detector.md" for line in commands(block)]
"""All but those of the page that test_how_to.py follows."""
APISEC = [(block, line) for block, line in LINES if re.match(r"([A-Z_]+=\S+ )*apisec-otel ", line)]
OTHERS = {"make", "pip", "curl", "openssl", "otelcol", ".", "apisec-otel"}
"""Programs of other people that pages may name."""
RUN = ("validate", "components", "print-config", "replay", "explain")
TRACES = ROOT / "tests" / "data" / "vampi_newhttp_headers.otlp.jsonl.gz"


def real(value: Any) -> Any:
    """`${env:NAME:-default}` as the default."""
    if isinstance(value, dict):
        return {key: real(each) for key, each in value.items()}
    if isinstance(value, list):
        return [real(each) for each in value]
    return re.sub(r"\$\{env:\w+:-([^}]*)\}", r"\1", value) if isinstance(value, str) else value


def missing(part: Any, whole: Any, path: str = "") -> list[str]:
    """Where an excerpt says something else than the whole."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return [wrong for key in part for wrong in missing(part[key], whole.get(key), f"{path}::{key}")]
    return [] if part == whole else [f"{path}: {part!r} here, {whole!r} there"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Holds the files that pages name."""
    for source in ("pipelines", "examples/custom_detector"):
        shutil.copytree(ROOT / source, tmp_path / source)
    for traces in ("traces.jsonl.gz", "traces.jsonl", "monday.jsonl", "tuesday.jsonl", "demo-out/traces.jsonl"):
        (tmp_path / traces).parent.mkdir(exist_ok=True)
        shutil.copy(TRACES, tmp_path / traces)
    for config in ("base.yaml", "my.yaml"):
        shutil.copy(DEFAULT, tmp_path / config)
    (tmp_path / "odd.yaml").write_text(next(block.text for block in CONFIGS if block.about == "odd"), encoding="utf-8")
    (tmp_path / "production.yaml").write_text("processors: {sessions: {idle: 20m}}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_is_something_to_test() -> None:
    assert len(CONFIGS) > 7
    assert len(COLLECTOR) > 1
    assert len(APISEC) > 15


@pytest.mark.parametrize("block", CONFIGS, ids=str)
def test_configuration_is_valid(block: Block) -> None:
    """Each is laid over the default, as `--config default --config it`; what the environment must hold it does."""
    environment = dict.fromkeys(re.findall(r"\$\{env:(\w+)\}", block.text), "https://hooks.example.org/set")
    read([DEFAULT, f"yaml:{block.text}"], environment=environment)


@pytest.mark.parametrize("block", COLLECTOR, ids=str)
def test_the_collectors_configuration_is_that_of_the_tested_file(block: Block) -> None:
    whole = real(yaml.safe_load((ROOT / "collector-config.yaml").read_text(encoding="utf-8")))
    excerpt = yaml.safe_load(block.text)
    if "traces/copy" in excerpt["service"]["pipelines"]:
        assert excerpt["service"]["pipelines"].pop("traces/copy")["receivers"] == ["otlp"]
        excerpt["service"]["pipelines"].pop("traces", None)
        excerpt["exporters"].pop("file", None)
        excerpt.pop("processors", None)  # tests/e2e/test_tap.py runs it whole
    assert missing(excerpt, whole) == []


@pytest.mark.parametrize(("block", "line"), LINES, ids=str)
def test_programs_are_known(block: Block, line: str) -> None:
    program = next(word for word in shlex.split(line) if not re.match(r"[A-Z_]+=", word))
    assert program in OTHERS, f"{block}: {program}"
    if program == "make":
        targets = re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert line.split()[1] in targets


@pytest.mark.parametrize(("block", "line"), APISEC, ids=str)
def test_commands_are_what_they_say(block: Block, line: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are parsed; those that only read are run."""
    words = shlex.split(line)
    while re.match(r"[A-Z_]+=", words[0]):
        key, _, value = words.pop(0).partition("=")
        assert key in DEFAULT.read_text(encoding="utf-8"), f"{block}: no pipeline of ours reads {key}"
        monkeypatch.setenv(key, value)
    command, arguments = words[1], words[2:]
    if command == "--help":
        return
    assert command in implemented(), f"{block}: {command}"
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    if command in RUN:
        assert found.main(arguments, standalone_mode=False) in (None, 0)
    else:
        found.make_context(command, arguments)
