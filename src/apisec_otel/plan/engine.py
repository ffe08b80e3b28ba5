"""Runs a plan over batches and says what was raised, as typed objects with their sentences."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

from apisec_otel.plan.build import Plan, Statement
from apisec_otel.plan.outside import Outside
from apisec_otel.plan.signal import ITEM_WORD, SEVERITIES, Severity, sentence

Late = tuple[Any, bytes]
"""Released rows, and the row of the batch before which each was, as uint32."""
RaisedRow = tuple[int, int, float, int, int, Sequence[tuple[float, float]]]


class Answers(Protocol):
    """What an executor gives for a batch: row, signal, p, severity, entity and evidence of all that was raised."""

    raised: Sequence[RaisedRow]
    ranks: Sequence[bytes]
    """For each signal a float64 a row, of its session; nothing of one that ranks none."""
    named: Sequence[tuple[str, str]]
    """Where rows are items, place and name of each that was raised."""


class Executor(Protocol):
    """What runs the JSON: `_native.Plan`."""

    def run(self, batch: Any, ask_all: bool = False, values: Sequence[int] = (), late: Late | None = None) -> Answers:
        """Every row of the batch, in order; `values` are nodes of which the answers tell each row's value.

        Rows of `late` that were set back are judged between them, numbered on from the batch's last.
        """
        ...

    def tables(self) -> list[dict[str, Any]]:
        """Identity, entries, bytes, evicted and expired of each table."""
        ...

    def advance(self, time: int) -> None:
        """Lets time (ns) pass without a row."""
        ...

    def flag(self, raised: list[tuple[int, int]]) -> None:
        """Entities raised at a time (ns) on rows that another plan judges first."""
        ...

    def restart(self) -> None:
        """Ends a recording; baselines stay."""
        ...

    def split(self, settings: str, vocabulary: Any) -> None:
        """From now on rows are the items of requests, taken apart as the settings say."""
        ...

    def cut(self) -> int:
        """Items that were not looked at, for their request has too many."""
        ...


class Keeping(Protocol):
    """An executor whose memory can be copied: `_native.Plan`."""

    def shards(self) -> Iterator[bytes]:
        """All that is remembered."""
        ...

    def load(self, shard: bytes) -> bool:
        """Takes a shard up; false when it is of another layout."""
        ...

    def loaded(self) -> list[str]:
        """Identities of what the plan remembers that were in no shard."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """A Signal that a row has raised."""

    row: int
    """Position in the batch."""
    detector: str
    index: int
    """Which of the detector's Signals."""
    severity: Severity
    p: float
    """How likely an honest entity does this; the detector's q where it has no p."""
    score: float
    """0 to 1: -log10(p) in twelfths."""
    entity_type: str
    entity: int
    """The entity's hash; 0 when the row has none."""
    evidence: Mapping[str, tuple[float | None, float | None]]
    """Observed and expected, by name; None is not yet known."""
    sentence: str


class Engine:
    """A plan with the state that it has built up. One thread at a time."""

    def __init__(self, plan: Plan, executor: Executor | None = None, outside: Outside | None = None) -> None:
        self.plan = plan
        self.outside = outside or Outside(plan.functions)
        self.executor = executor or native(plan.spec, self.outside)
        self.ranks: Sequence[bytes] = ()
        """What the rows of the last batch said of their sessions, as `Answers.ranks`."""

    def observe(self, batch: Any, words: Callable[[int], Mapping[str, str]], late: Late | None = None) -> list[Raised]:
        """What the rows of the batch raise, in row order; `words` are a row's for people, by `ROW_WORDS`, and asked for only then.

        `late` as `Executor.run` takes it.
        """
        answers = self.executor.run(batch) if late is None else self.executor.run(batch, late=late)
        self.ranks = answers.ranks
        items = [" ".join(filter(None, named)) for named in answers.named] if self.plan.rows == "Item" else []
        return list(self._spoken(answers.raised, words, items))

    def tables(self) -> list[dict[str, Any]]:
        """The size and losses of each table, for metrics."""
        return self.executor.tables()

    def advance(self, time: int) -> None:
        """Lets time (ns) pass without a row, so that windows close; no row may come later with a time before it."""
        self.executor.advance(time)

    def flag(self, raised: list[tuple[int, int]]) -> None:
        """Keeps entities from teaching that were raised at a time (ns) on rows that another plan judges before these come to it."""
        self.executor.flag(raised)

    def restart(self) -> None:
        """Ends a recording before one that begins in its past: windows close, tallies and flags go, baselines stay."""
        self.executor.restart()
        self.outside.restart()

    def snapshot(self) -> Iterator[bytes]:
        """All that is remembered, in shards; what functions keep as JSON."""
        yield from cast("Keeping", self.executor).shards()
        for identity, function in zip(self.plan.identities, self.outside.running, strict=True):
            for page in function.snapshot():
                yield json.dumps({"function": identity, "kept": page}).encode()

    def restore(self, shards: Iterable[bytes]) -> list[str]:
        """Takes shards up before any batch; answers the detectors that begin without some of their memory. ValueError: no shards."""
        executor = cast("Keeping", self.executor)
        native = []
        for shard in shards:
            if shard.startswith(b"{"):
                self._take(json.loads(shard))
            else:
                native.append(executor.load(shard))
        if not all(native):
            return ["kept in another layout"]
        cold = [detector for identity in executor.loaded() for detector in self.plan.memories.get(identity, ())]
        return sorted(set(cold))

    def _take(self, said: Mapping[str, Any]) -> None:
        for identity, function in zip(self.plan.identities, self.outside.running, strict=True):
            if identity == said.get("function"):
                function.take(said.get("kept", ()))

    def _spoken(self, rows: Sequence[RaisedRow], words: Callable[[int], Mapping[str, str]], items: Sequence[str] = ()) -> Iterator[Raised]:
        for at, (row, signal, p, severity, entity, evidence) in enumerate(rows):
            of_item = {ITEM_WORD: items[at]} if items else {}
            said = self.plan.statements[signal]
            values = {name: (_known(a), _known(b)) for name, (a, b) in zip(said.evidence, evidence, strict=True)}
            yield Raised(
                row=row,
                detector=said.detector,
                index=said.index,
                severity=SEVERITIES[severity],
                p=p,
                score=score(p),
                entity_type=said.entity,
                entity=entity,
                evidence=values,
                sentence=_because(said, values, {**words(row), **of_item}),
            )


def score(p: float) -> float:
    """How far out a p-value lies, 0 to 1; 1e-12 and below are 1."""
    return min(1.0, max(0.0, -math.log10(max(p, 1e-300)) / 12))


def native(spec: str, outside: Outside | None = None) -> Executor:
    """The native executor, which asks `outside` where the plan is not native; imported only here, so that planning works without it."""
    executor: Executor = import_module("apisec_otel._native").Plan(spec, outside)
    return executor


def _because(said: Statement, values: Mapping[str, tuple[float | None, float | None]], words: Mapping[str, str]) -> str:
    return sentence(said.because, values, said.settings, words)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
