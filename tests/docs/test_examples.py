"""The detector package of the README: installed beside apisec-otel it runs, raises, and stays quiet."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pages import ROOT, blocks

FOLDER = ROOT / "examples" / "custom_detector"
PROJECT = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))
TOKEN = "Bearer abc.def.ghi"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the package is installed, by an installer, from what is built of its folder."""
    site = tmp_path_factory.mktemp("site")
    install = ["uv", "pip", "install", "-q", "--offline", "--no-deps", "--no-cache", "--python", sys.executable, "--target", str(site)]
    done = subprocess.run([sys.executable, "-m", *install, str(FOLDER)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))}


def run(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "apisec_otel", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def spans(networks: int) -> Iterator[dict[str, Any]]:
    """One credential, a request a second, each from the next of so many networks."""
    for number in range(12):
        start = 1_800_000_000_000_000_000 + number * 10**9
        texts = {
            "http.request.method": "GET",
            "http.route": "/orders",
            "client.address": f"203.0.{number % networks}.7",
            "http.request.header.authorization": TOKEN,
        }
        attributes: list[dict[str, Any]] = [{"key": key, "value": {"stringValue": text}} for key, text in texts.items()]
        attributes.append({"key": "http.response.status_code", "value": {"intValue": "200"}})
        ids = {"traceId": f"{number + 1:032x}", "spanId": f"{number + 1:016x}"}
        times = {"startTimeUnixNano": str(start), "endTimeUnixNano": str(start + 10**7)}
        yield {**ids, **times, "name": "GET /orders", "kind": 2, "attributes": attributes}


def found(environment: dict[str, str], folder: Path, networks: int) -> list[dict[str, Any]]:
    request = {"resourceSpans": [{"scopeSpans": [{"spans": list(spans(networks))}]}]}
    file = folder / "traces.jsonl"
    file.write_text(json.dumps(request) + "\n", encoding="utf-8")
    lines = [json.loads(line) for line in run(environment, "replay", "--format", "json", str(file)).splitlines()]
    return [line for line in lines if line["type"] == "finding" and line["detector"] == "credential_sharing"]


def test_it_is_listed_with_its_package(installed: dict[str, str]) -> None:
    listed = json.loads(run(installed, "components", "--json"))["detectors"]
    mine = next(each for each in listed if each["name"] == "credential_sharing")
    assert mine["module"] == "apisec-credential-sharing 1.0.0"
    assert mine["owasp"] == "API2:2023"


def test_it_raises_on_the_fifth_network_and_not_before(installed: dict[str, str], tmp_path: Path) -> None:
    raised = found(installed, tmp_path, networks=5)
    assert raised[0]["span_id"] == f"{5:016x}"
    assert raised[0]["reason"] == "one credential was used from 5 networks within 30 min"
    assert [each["suppressed"] for each in raised] == [None, *["dedup"] * 7]
    assert found(installed, tmp_path, networks=4) == []


def test_it_passes_every_check_with_its_own_test(installed: dict[str, str], tmp_path: Path) -> None:
    """Away from its sources: what is tested is what was installed."""
    shutil.copytree(FOLDER / "scenarios", tmp_path / "scenarios")
    shutil.copy(FOLDER / "test_credential_sharing.py", tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_credential_sharing.py"]
    done = subprocess.run(command, env=installed, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) > 50


def test_its_settings_are_configured_like_any_other(installed: dict[str, str], tmp_path: Path) -> None:
    block = next(block for block in blocks("yaml") if "credential_sharing" in block.text)
    config = tmp_path / "config.yaml"
    config.write_text(block.text, encoding="utf-8")
    run(installed, "validate", "--config", str(ROOT / "pipelines" / "default.yaml"), "--config", str(config))
