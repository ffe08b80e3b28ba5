"""What somebody says of a finding holds for the same again, and for nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from apisec_otel.cli import cli

TRACES = Path(__file__).parents[2] / "data" / "vampi_attack_arjun.otlp.jsonl.gz"


def run(*words: str | Path, code: int = 0) -> Any:
    result = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False, standalone_mode=False)
    assert result.return_value == code, result.output
    return result


def findings(*more: str) -> list[dict[str, Any]]:
    lines = map(json.loads, run("replay", "--format", "json", *more, TRACES).stdout.splitlines())
    return [line for line in lines if line["type"] == "finding"]


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    (first,) = (line for line in findings() if line["suppressed"] is None)
    return first


def test_a_false_finding_is_allowed_from_then_on(shown: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "feedback.yaml"
    said = run("feedback", shown["id"], "--false-positive", "--reason", "our own fuzzing", "--from", TRACES, "--file", file)
    assert "session_evidence" in said.stdout and "allowed until" in said.stdout and "nothing reads" in said.stderr
    after = findings("--set", f"processors::decide::feedback={file}", "--set", "processors::decide::dedup=0s")
    assert after and {line["suppressed"] for line in after if line["entity"] == shown["entity"]} == {"allowlist"}
    run("feedback", shown["id"], "--true-positive", "--reason", "it was not ours", "--from", TRACES, "--file", file)
    assert any(line["suppressed"] is None for line in findings("--set", f"processors::decide::feedback={file}"))


def test_it_is_found_in_what_replay_printed(shown: dict[str, Any], tmp_path: Path) -> None:
    printed = tmp_path / "printed.jsonl"
    printed.write_text(run("replay", "--format", "json", TRACES).stdout)
    words = ("feedback", shown["id"], "--false-positive", "--reason", "x", "--from", printed, "--file", tmp_path / "f.yaml")
    assert "allowed until" in run(*words).stdout


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    words = ("feedback", "0" * 16, "--false-positive", "--reason", "x", "--from", TRACES, "--file", tmp_path / "f.yaml")
    assert "none of 88 findings" in run(*words, code=1).stderr and not (tmp_path / "f.yaml").exists()
    refused = CliRunner().invoke(cli, ["feedback", "0" * 16, "--reason", "x", "--from", str(TRACES)])
    assert refused.exit_code == 2 and "say --false-positive or --true-positive" in refused.output
