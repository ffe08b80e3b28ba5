"""The lab's page: its commands are ones, its code is that of the lab."""

import inspect
import re
import shlex

import pytest
from pages import ROOT, blocks, commands

from examples.lab import cli
from examples.lab.attacks import ATTACKS

PAGE = ROOT / "docs" / "how-to" / "use-the-lab.md"
LINES = [line for block in blocks("sh") if block.page == PAGE for line in commands(block)]


@pytest.mark.parametrize("line", LINES)
def test_its_commands_are_understood(line: str) -> None:
    make, target, arguments = shlex.split(line)
    assert (make, target) == ("make", "lab")
    cli.options_of(shlex.split(arguments.removeprefix("ARGS=")))


def test_the_attack_that_it_shows_is_one() -> None:
    shown = next(block.text for block in blocks("python") if block.about == "lab")
    assert shown.strip() == inspect.getsource(ATTACKS["bola.walk"].play).strip()


def test_the_number_of_attacks_in_the_changelog_is_that_of_the_catalogue() -> None:
    told = re.search(r"with (\d+)\s+attacks at up to five strengths", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    assert told is not None
    assert int(told[1]) == len(ATTACKS)
