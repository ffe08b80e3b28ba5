"""The first pass: each detector's `signals` is run once, and what it says is written down as positions in one graph."""

from __future__ import annotations

import dataclasses
import inspect
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, get_type_hints

from apisec_otel.plan.column import Number, number
from apisec_otel.plan.node import Graph, PlanError
from apisec_otel.plan.rows import KINDS, Request
from apisec_otel.plan.signal import SEVERITIES, Severity, Signal, check
from apisec_otel.plan.state import State

Settings = Mapping[str, object]


class Detector(Protocol):
    """What a detector is: a frozen dataclass of settings with one method that runs once, at start."""

    owasp: ClassVar[str]
    severity: ClassVar[Severity]

    def signals(self, row: Any, state: State) -> Iterator[Signal]:
        """Every Signal that rows may raise; the annotation of `row` says which rows."""
        ...


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A detector as configured: its id, its object, and the engine's own keys beside its settings."""

    id: str
    detector: Detector
    q: float = 1e-4
    """A Signal without `when` is raised where p is below this."""
    flags: bool = True
    """Whether what it raises keeps the entity from teaching baselines (not so in shadow mode)."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """One Signal as positions in the graph."""

    chosen: Chosen
    index: int
    when: int | None
    p: int | None
    entity: int
    level: int
    severity: int | None
    evidence: tuple[tuple[str, int, int | None], ...]
    because: str
    ranks: int | None = None
    rows: str = "Request"
    """Of which rows it is said: `Request`, `Step` or `Item`."""
    in_order: bool = False
    """Whether it is said of Step rows."""

    def outputs(self) -> Iterator[int]:
        """Every position that the executor must know by name."""
        yield from (position for position in (self.when, self.p, self.entity, self.severity, self.ranks) if position is not None)
        for _, observed, expected in self.evidence:
            yield from (observed,) if expected is None else (observed, expected)


def draft(
    chosen: Iterable[Chosen], meanings: Mapping[str, str] | None = None, custom: Mapping[str, str] | None = None
) -> tuple[Graph, list[Draft]]:
    """Runs every detector once. Errors name the detector and the line; nothing of a broken detector is kept."""
    graph = Graph(meanings, custom)
    return graph, [item for one in chosen for item in _drafts(graph, one)]


def settings_of(detector: Detector) -> dict[str, object]:
    """The detector's settings by name."""
    if not dataclasses.is_dataclass(detector):
        raise PlanError(f"{type(detector).__name__}: a detector is a frozen dataclass whose fields are its settings.")
    return {field.name: getattr(detector, field.name) for field in dataclasses.fields(detector)}


def _drafts(graph: Graph, chosen: Chosen) -> list[Draft]:
    settings = settings_of(chosen.detector)
    kind = _row_class(chosen.detector)
    memory = State(graph, rows=kind.__name__, in_order=kind.in_order)
    with _located(chosen.detector):
        signals = enumerate(chosen.detector.signals(kind(graph), memory))
        return [_written(graph, chosen, index, check(signal, settings, kind.__name__), kind) for index, signal in signals]


def _written(graph: Graph, chosen: Chosen, index: int, signal: Signal, kind: type[Request]) -> Draft:
    if signal.ranks is not None and not kind.in_order:
        raise PlanError("ranks: sessions are ranked in the order of time. Annotate it `row: Step`.")
    severity = signal.severity if signal.severity is not None else chosen.detector.severity
    default = SEVERITIES.index(chosen.detector.severity)
    return Draft(
        chosen=chosen,
        index=index,
        when=signal.when.position if signal.when is not None else None,
        p=signal.p.position if signal.p is not None else None,
        entity=signal.entity.position,
        level=default if isinstance(severity, Number) else SEVERITIES.index(severity),
        severity=_never_missing(graph, severity, default) if isinstance(severity, Number) else None,
        evidence=tuple(_sides(graph, name, value) for name, value in signal.evidence.items()),
        because=signal.because,
        ranks=signal.ranks.position if signal.ranks is not None else None,
        rows=kind.__name__,
        in_order=kind.in_order,
    )


def _never_missing(graph: Graph, severity: Number, default: int) -> int:
    present = graph.add("known", (severity.position,), kind="logic")
    return graph.add("when", (present, severity.position, graph.constant(default)), kind="number")


def _sides(graph: Graph, name: str, value: object) -> tuple[str, int, int | None]:
    if isinstance(value, tuple):
        observed, expected = value
        return name, number(graph, observed), number(graph, expected)
    return name, number(graph, value), None


def _row_class(detector: Detector) -> type[Request]:
    """Asked of the object: what is made in YAML says there which rows it judges."""
    name = type(detector).__name__
    try:
        wanted = get_type_hints(detector.signals).get("row")
    except (NameError, AttributeError) as error:
        raise PlanError(f"{name}: {error}; a detector has `def signals(self, row: Request, state: State)`.") from error
    if isinstance(wanted, type) and issubclass(wanted, Request) and wanted.__name__ in KINDS:
        return wanted
    raise PlanError(f"{name}.signals: annotate `row` with the rows that are meant: `row: Request`, `row: Step` or `row: Item`.")


@contextmanager
def _located(detector: Detector) -> Iterator[None]:
    """An error inside is told with the detector's name and the line in its file."""
    try:
        yield
    except Exception as error:
        raise PlanError(f"{_place(detector, error)}: {error}") from error


def _place(detector: Detector, error: Exception) -> str:
    name = f"{type(detector).__name__}.signals"
    file = inspect.getsourcefile(detector.signals)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f"{name} line {lines[-1]}" if lines else name
