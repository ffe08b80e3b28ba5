"""The command line: what it says, and the code it exits with."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from apisec_otel.cli import COMMANDS, main


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return int(caught.value.code or 0)


def test_help_names_every_command_and_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    said = capsys.readouterr().out
    assert all(name in said for name in COMMANDS)
    assert "Examples:" in said
    assert "Exit codes:" in said
    assert run() == 0


def test_help_answers_at_once() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "apisec_otel", "--help"]
    imported = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    for heavy in ("pydantic", "numpy", "yaml", "opentelemetry", "google.protobuf", "apisec_otel._native"):
        assert f" {heavy}\n" not in imported
    start = time.process_time()
    assert subprocess.run(command[:1] + command[3:], capture_output=True, check=True).stdout
    assert time.process_time() - start < 0.3


@pytest.mark.parametrize("name", ["run", "validate", "print-config", "components"])
def test_each_command_has_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(name, "--help") == 0
    assert "Examples:" in capsys.readouterr().out


def test_validate_is_quiet_about_what_is_good_and_exact_about_what_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("validate") == 0
    assert "traces: otlp -> memory_limiter, requests" in capsys.readouterr().out
    (tmp_path / "c.yaml").write_text("receivers: {}\nprocesors: {}\n")
    assert run("validate", "--config", str(tmp_path / "c.yaml")) == 2
    said = capsys.readouterr().err
    assert "c.yaml:2: procesors: unknown section; did you mean processors?" in said
    assert "\x1b[" not in said, "no colours where no terminal is"


def test_print_config_prints_yaml_and_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("print-config", "--set", "processors::sessions::idle=45m") == 0
    assert yaml.safe_load(capsys.readouterr().out)["processors"]["sessions"]["idle"] == "45m"
    assert run("print-config", "--schema") == 0
    assert json.loads(capsys.readouterr().out)["title"] == "apisec-otel configuration"


def test_components_are_listed_for_people_and_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("components") == 0
    for_people = yaml.safe_load(capsys.readouterr().out)
    assert run("components", "--json") == 0
    assert json.loads(capsys.readouterr().out) == for_people
    assert {"otlp_grpc", "otlp_http"} <= {each["name"] for each in for_people["exporters"]}
    assert not [each for family in for_people.values() if isinstance(family, list) for each in family if "error" in each]
    assert run("components", "--columns") == 0
    assert {"principal", "status"} <= {each["name"] for each in yaml.safe_load(capsys.readouterr().out)}


def test_mistakes_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("vlidate") == 2
    assert "did you mean validate?" in capsys.readouterr().err
    assert run("validate", "--confg", "x") == 2
    assert run("--version") == 0
    assert "apisec-otel version" in capsys.readouterr().out
