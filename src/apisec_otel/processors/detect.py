"""Runs all detectors at once: together they are one plan, which the native engine runs in one call a batch."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Protocol

from apisec_otel.component import Chosen, Host, Nested, Processor, Size
from apisec_otel.errors import ComponentError
from apisec_otel.spans.batch import NativeBatch, SpanBatch

Mode = Literal["alert", "shadow", "off"]
UNMATCHED = "(unmatched)"


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What holds for a detector that does not say otherwise."""

    mode: Mode = "alert"
    """alert: findings. shadow: counted only. off: not run."""
    q: float = 1e-4
    """A signal without a condition of its own is raised below this probability."""

    def __post_init__(self) -> None:
        """Refuses what is no probability."""
        if not 0 < self.q < 1:
            raise ValueError("q is a probability, above 0 and below 1")


@dataclass(frozen=True, kw_only=True)
class EngineKeys:
    """The engine's keys beside a detector's own settings."""

    mode: Mode | None = None
    """alert: findings. shadow: counted only. off: not run. As in `defaults` when left out."""
    q: float | None = None
    """A signal without a condition of its own is raised below this probability. As in `defaults` when left out."""


@dataclass(frozen=True, kw_only=True)
class Detect:
    """Runs the detectors; every one that is installed runs unless its mode is `off`."""

    needs: ClassVar[frozenset[str]] = frozenset({"request", "endpoint", "session"})
    provides: ClassVar[frozenset[str]] = frozenset({"signals"})

    defaults: Defaults = field(default_factory=Defaults)
    """What holds for a detector that does not say otherwise."""
    detectors: Annotated[dict[str, Chosen], Nested("detectors", EngineKeys)] = field(default_factory=dict)
    """Settings by detector, the engine's keys (mode, q) among them; an installed one that is not named has its defaults."""
    max_bytes: Size = 128 << 20
    """Most memory for what the detectors remember; past it the least useful is forgotten."""

    def table_bytes(self) -> int:
        """Cap of the plan's tables."""
        return self.max_bytes

    def running(self) -> Iterator[tuple[str, Any, Mode, float]]:
        """Id, settings, mode and q of each detector that is not off, by id."""
        for id, chosen in sorted(self.detectors.items()):
            mode = chosen.beside.mode or self.defaults.mode
            if mode != "off":
                yield id, chosen.settings, mode, chosen.beside.q or self.defaults.q

    def verify(self) -> None:
        """Plans without running; raises ComponentError or ValueError with what a detector did wrong."""
        self.plan()

    def plan(self) -> "Planned":
        """The plan of all running detectors."""
        from apisec_otel.plan import build

        detectors = [build.Chosen(id=id, detector=each, q=q, flags=mode == "alert") for id, each, mode, q in self.running()]
        planned: Planned = build.build(detectors, memory=self.max_bytes)
        return planned

    def build(self, host: Host) -> Processor:
        """The running plan."""
        try:
            from apisec_otel import _native
        except ImportError as error:
            raise ComponentError(f"processors::{host.id}: the native module is not built: {error}; run `make build`") from error
        planned = self.plan()
        shadow = frozenset(id for id, _, mode, _ in self.running() if mode == "shadow")
        return Detecting(_native.Plan(planned.spec), planned.statements, shadow, self._quantiles(), host)

    def _quantiles(self) -> dict[str, float]:
        return {id: q for id, _, _, q in self.running()}


class Statement(Protocol):
    """The words of one signal, as the planner keeps them."""

    detector: str
    owasp: str
    entity: str
    because: str
    evidence: tuple[str, ...]
    settings: Mapping[str, object]


class Planned(Protocol):
    """What the planner answers."""

    spec: str
    statements: tuple[Any, ...]
    columns: Mapping[str, frozenset[str]]


class Answers(Protocol):
    """What the plan answers for a batch."""

    raised: list[tuple[int, int, float, int, int, list[tuple[float, float]]]]


class Executor(Protocol):
    """The face of `_native.Plan`."""

    def run(self, batch: NativeBatch, ask_all: bool = False) -> Answers: ...


@dataclass(frozen=True, slots=True)
class Raised:
    """One signal raised on one row, in words and numbers."""

    row: int
    detector: str
    owasp: str
    severity: int
    p: float
    entity: int
    entity_kind: str
    evidence: Mapping[str, tuple[float, float]]
    sentence: str

    @property
    def score(self) -> float:
        """0 to 1: how unlikely it is."""
        return 1.0 if self.p <= 0 else min(1.0, -math.log10(self.p) / 12)


class Detecting:
    """The plan at work; Python runs for each signal, never for each span."""

    def __init__(
        self, executor: Executor, statements: tuple[Statement, ...], shadow: frozenset[str], quantiles: Mapping[str, float], host: Host
    ) -> None:
        self._executor, self._statements, self._shadow, self._quantiles, self._host = executor, statements, shadow, quantiles, host

    def process(self, batch: SpanBatch) -> None:
        """Puts what is raised on the batch; a shadow detector's signals are only counted."""
        for row, index, p, severity, entity, numbers in self._executor.run(batch.native).raised:
            statement = self._statements[index]
            mode = "shadow" if statement.detector in self._shadow else "alert"
            self._host.telemetry.add("apisec_signals", detector=statement.detector, mode=mode)
            if mode == "alert":
                batch.raised.append(self._raised(batch, row, statement, p, severity, entity, numbers))

    def _raised(
        self, batch: SpanBatch, row: int, said: Statement, p: float, severity: int, entity: int, numbers: list[tuple[float, float]]
    ) -> Raised:
        evidence = dict(zip(said.evidence, numbers, strict=True))
        return Raised(
            row=row,
            detector=said.detector,
            owasp=said.owasp,
            severity=severity,
            p=self._quantiles[said.detector] if math.isnan(p) else p,
            entity=entity,
            entity_kind=said.entity,
            evidence=evidence,
            sentence=_sentence(said, evidence, _endpoint(batch, row)),
        )


def _sentence(said: Statement, evidence: Mapping[str, tuple[float, float]], endpoint: str) -> str:
    from apisec_otel.plan.signal import sentence

    told = {name: (_known(observed), _known(expected)) for name, (observed, expected) in evidence.items()}
    return str(sentence(said.because, told, said.settings, endpoint))


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number


def _endpoint(batch: SpanBatch, row: int) -> str:
    parts = [batch.text(row, column) for column in ("method", "route")]
    return " ".join(part for part in parts if part) or UNMATCHED
