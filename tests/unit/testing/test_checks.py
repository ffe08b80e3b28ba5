"""Checks find what they are for: a component with one mistake fails the check of it, by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from apisec_otel import builtin
from apisec_otel.api import Request, Severity, Signal, State, Times, Within
from apisec_otel.component import Host, Processor
from apisec_otel.spans.batch import SpanBatch
from apisec_otel.testing.checks import for_detector, for_processor

ROWS = "rows: [{every: %s, repeat: %d, route: /orders, path: /orders, user: ann, client: 203.0.113.7}]"
RAISED = "expect: [{row: 6, severity: low}]"
STORIES = {
    "attack": f"{ROWS % ('1s', 6)}\n{RAISED}",
    "attack_slow": f"{ROWS % ('9s', 6)}\n{RAISED}",
    "benign": ROWS % ("1s", 2),
    "near_miss": ROWS % ("1s", 5),
    "near_miss_later": ROWS % ("13s", 6),
}


@dataclass(frozen=True, kw_only=True)
class Often:
    """One principal asks often."""

    owasp: ClassVar[str] = "API4:2023"
    severity: ClassVar[Severity] = "low"

    window: Within = timedelta(minutes=1)
    """Counted over this long."""
    most: Times = 5
    """Raised past so many."""

    def signals(self, row: Request, state: State) -> Iterator[Signal]:
        count = state.count(by=row.principal, within=self.window)
        yield Signal(when=count > self.most, entity=row.principal, evidence={"count": (count, self.most)}, because="{count.observed:.0f}")


class Unbounded(Often):
    most: int = 5


@dataclass(frozen=True, kw_only=True)
class Undescribed(Often):
    least: Times = 1


class Nameless(Often):
    owasp: ClassVar[str] = "bad things"


class Alarmed(Often):
    """Raised by what is not there."""

    def signals(self, row: Request, state: State) -> Iterator[Signal]:
        for signal in super().signals(row, state):
            absent = ~(state.count(by=row.principal, where=row.succeeded, within=self.window) >= 1)
            yield dataclasses.replace(signal, when=absent)


def told(folder: Path, detector: str, stories: dict[str, str] = STORIES) -> Path:
    for name, text in stories.items():
        kind = name.removesuffix("_later").removesuffix("_slow")
        (folder / f"{name}.yaml").write_text(f"detector: {detector}\nkind: {kind}\nabout: A story.\n{text}\n", encoding="utf-8")
    return folder


def failing(checks: list[Any]) -> dict[str, str]:
    """The names of those that do not pass, with their sentences."""
    failed = {}
    for check in checks:
        try:
            check()
        except Exception as error:
            failed[str(check)] = str(error)
    return failed


def test_a_detector_without_a_mistake_passes_and_leaves_no_trace(tmp_path: Path) -> None:
    checks = for_detector(Often, scenarios=told(tmp_path, "often"))
    found = failing(checks)
    # this file imports more than the API
    assert list(found) == ["only_the_api_is_imported"]
    assert len({str(check) for check in checks}) == len(checks) > 30
    assert "often" not in builtin.known("detectors")


@pytest.mark.parametrize(
    ("detector", "check"),
    [
        (Unbounded, "numbers_are_bounded"),
        (Undescribed, "class_and_settings_are_described"),
        (Nameless, "risk_and_severity_are_known"),
        (Alarmed, "natively_however_it_is_cut[attack]"),
    ],
)
def test_a_mistake_is_found(tmp_path: Path, detector: type[Any], check: str) -> None:
    name = detector.__name__.lower()
    assert check in failing(for_detector(detector, scenarios=told(tmp_path, name)))


def test_a_condition_that_no_story_tries_is_found(tmp_path: Path) -> None:
    few = {name: STORIES[name] for name in ("attack", "benign")}
    found = failing(for_detector(Often, scenarios=told(tmp_path, "often", few)))
    assert {"every_kind_of_story_is_told", "scenarios_notice[window_halved]", "scenarios_notice[window_doubled]"} <= set(found)
    assert found["every_kind_of_story_is_told"] == "no scenario is told of the kind near_miss"


def test_without_scenarios_a_detector_does_not_pass() -> None:
    assert "every_kind_of_story_is_told" in failing(for_detector(Often))


@dataclass(frozen=True, kw_only=True)
class Marking:
    """Does what its parts say."""

    needs: ClassVar[frozenset[str]] = frozenset({"endpoint"})
    provides: ClassVar[frozenset[str]] = frozenset()

    most: int = 3
    """So many at most."""

    def build(self, host: Host) -> Processor:
        return _Running(type(self))


@dataclass
class _Running:
    of: type[Marking]
    batches: list[SpanBatch] = field(default_factory=list)

    def process(self, batch: SpanBatch) -> None:
        act: Callable[[SpanBatch], None] = getattr(self.of, "act", lambda batch: None)
        act(batch)


class Writing(Marking):
    @staticmethod
    def act(batch: SpanBatch) -> None:
        if len(batch):
            batch.annotate(0, {"note": "seen"})


class Fragile(Marking):
    @staticmethod
    def act(batch: SpanBatch) -> None:
        if not len(batch):
            raise AssertionError("no rows")


class Boasting(Marking):
    provides: ClassVar[frozenset[str]] = frozenset({"role"})


class Careless(Marking):
    needs: ClassVar[frozenset[str]] = frozenset({"moon_phase"})


def test_a_processor_without_a_mistake_passes() -> None:
    assert failing(for_processor(Marking)) == {}
    assert "marking" not in builtin.known("processors")


@pytest.mark.parametrize(
    ("processor", "checks"),
    [
        (Writing, {"bytes_are_left_alone"}),
        (Fragile, {"no_span_harms_it", "time_may_pass"}),
        (Boasting, {"it_fills_what_it_says_and_nothing_else"}),
        (Careless, {"what_it_needs_is_provided"}),
    ],
)
def test_a_processors_mistake_is_found(processor: type[Any], checks: set[str]) -> None:
    assert checks <= set(failing(for_processor(dataclass(frozen=True, kw_only=True)(processor))))
