"""The how-to about detectors, followed to the letter: its files written, its commands run, its outputs looked for."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pages import ROOT, Block, blocks

from apisec_otel import api
from apisec_otel.plan.build import build
from apisec_otel.plan.draft import Chosen

PAGE = ROOT / "docs" / "how-to" / "write-a-detector.md"
EXAMPLE = ROOT / "examples" / "custom_detector"
HERE = [block for block in blocks("toml", "python", "yaml", "sh", "text") if block.page == PAGE]
FILES = [block for block in HERE if "." in block.about]
SNIPPETS = [block for block in HERE if block.language == "python" and not block.about]


@pytest.mark.parametrize("block", FILES, ids=lambda block: block.about)
def test_files_are_those_of_the_tested_package(block: Block) -> None:
    assert block.text == (EXAMPLE / block.about).read_text(encoding="utf-8")


def test_no_file_of_the_package_is_left_out() -> None:
    there = {str(path.relative_to(EXAMPLE)) for path in EXAMPLE.rglob("*.*") if "__pycache__" not in path.parts and path.stat().st_size}
    assert {block.about for block in FILES} == there - {"README.md"}


@dataclass
class Reader:
    """Somebody who does what the page says, in a folder of their own."""

    folder: Path
    site: Path
    said: str = ""
    code: int = 0

    def follow(self, block: Block, *, fails: bool) -> None:
        if "." in block.about:
            file = self.folder / block.about
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
        elif block.language == "sh":
            for line in block.text.splitlines():
                self._run(line)
                assert self.code == (1 if fails else 0), f"{line}\n{self.said}"
        elif block.language == "text":
            missing = [line for line in block.text.splitlines() if _plain(line) not in _plain(self.said)]
            assert missing == [], self.said

    def _run(self, line: str) -> None:
        """`pip install` stands for any installer; this one wants no network."""
        if line == "pip install .":
            (self.folder / "apisec_credential_sharing" / "__init__.py").touch()
            line = f"python -m uv pip install -q --offline --no-deps --no-cache --python {sys.executable} --target {self.site} ."
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(self.site), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(line, shell=True, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        self.said, self.code = done.stdout + done.stderr, done.returncode


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.timeout(180)  # a dozen processes, two of them whole runs of the checks
def test_from_an_empty_folder_to_green_checks(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "mine", tmp_path / "site")
    reader.folder.mkdir()
    for block, after in zip(HERE, [*HERE[1:], None], strict=True):
        if block not in SNIPPETS:
            reader.follow(block, fails=after is not None and after.about == "fails")
    assert re.search(r"\d+ passed", reader.said)


@pytest.mark.parametrize("block", SNIPPETS, ids=str)
def test_snippets_plan(block: Block) -> None:
    """A method of some detector, as it stands there."""
    names: dict[str, Any] = {"Iterator": Iterator, "math": math, "timedelta": timedelta} | {
        name: getattr(api, name) for name in api.__all__
    }
    exec(compile(block.text, str(block), "exec"), names)
    members = {"signals": names["signals"], "owasp": "API1:2023", "severity": "low", "__annotations__": {"owasp": ClassVar[str]}}
    detector = dataclass(frozen=True)(type("Snippet", (), members))
    assert build([Chosen(id="snippet", detector=detector())]).statements
