"""River: models named in YAML beside what counts facts, on sessions and on single requests; what each finds at equal false alarms."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from apisec_otel.api import Request, Severity, Signal, State
from apisec_otel.config import read
from apisec_otel.config.packaged import packaged
from apisec_otel.plan.build import Plan, build
from apisec_otel.plan.draft import Chosen
from apisec_otel.plan.engine import native
from apisec_otel.plan.outside import Outside
from apisec_otel.processors.detect import Detect
from bench.quality.conduct import INTEGRATIONS, MACHINES, START, columns, stream, traffic

FALSE: Final = 0.01
"""The share of the innocent that are raised where detectors are compared."""
COUNTS: Final = {
    "requests": {"count": "always", "by": "session"},
    "paths": {"distinct": "path", "by": "session"},
    "endpoints": {"distinct": "endpoint", "by": "session"},
    "lists": {"distinct": "path_parent", "by": "session"},
}
SHARES: Final = {"failed": {"share": "failed", "by": "session"}, "files": {"share": "asset", "by": "session"}}
SESSIONS: Final = {"rows": "step", "entity": "session", "at_least": 10}
TRIED: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "`river: anomaly.HalfSpaceTrees`, six features": ("anomaly.HalfSpaceTrees", COUNTS | SHARES),
    "`river: anomaly.HalfSpaceTrees`, counts alone": ("anomaly.HalfSpaceTrees", COUNTS),
    "`river: anomaly.OneClassSVM`, counts alone": ("anomaly.OneClassSVM", COUNTS),
}
SIZES: Final = {"entity": "principal", "features": {"sent": "request_size", "answered": "response_size", "took": "duration"}}
MODELS: Final[Mapping[str, Mapping[str, Any]]] = {
    "anomaly.HalfSpaceTrees": {"n_trees": 25, "height": 6, "window_size": 250},
    "anomaly.LODA": {},
    "anomaly.OneClassSVM": {},
}
PEOPLE: Final = 1_500
ATTACKERS: Final = 150
Scores = NDArray[np.float64]


def plan_of(name: str, settings: Mapping[str, Any]) -> Plan:
    """The plan of a detector that is made in YAML, alone."""
    made = {"river": name, "model": MODELS[name], **settings}
    tree = {"processors": {"detect": {"defaults": {"mode": "off"}, "detectors": {"made": {**made, "mode": "alert"}}}}}
    config = read([packaged("replay"), f"yaml:{json.dumps(tree)}"])
    detect = next(each.settings for each in config.used() if isinstance(each.settings, Detect))
    chosen = [Chosen(id=id, detector=each, flags=False) for id, each, *_ in detect.running() if id == "made"]
    return build(chosen)


def scored(plan: Plan, made: Mapping[str, NDArray[Any]], times: NDArray[np.int64]) -> tuple[Scores, float]:
    """How odd each row is to the oddest of a plan's signals, and microseconds a row."""
    executor: Any = native(plan.spec, Outside(plan.functions))
    begun = time.perf_counter()
    answers = executor.run_columns(dict(made), times, None, True)
    micros = (time.perf_counter() - begun) / len(times) * 1e6
    return np.nan_to_num(np.max([np.frombuffer(one, np.float64) for one in answers.scores], axis=0)), micros


def auc(guilty: Scores, innocent: Scores) -> float:
    """The chance that a guilty one is odder than an innocent one; half of a tie."""
    return float((guilty[:, None] > innocent).mean() + (guilty[:, None] == innocent).mean() / 2)


def found(guilty: Scores, innocent: Scores) -> float:
    """The share of the guilty that is above all but FALSE of the innocent."""
    return float((guilty > np.quantile(innocent, 1 - FALSE, method="higher")).mean())


def sessions() -> Iterator[str]:
    """The section about sessions: the same as in conduct."""
    rows, kinds = traffic(0.1, 7)
    made = dict(columns(rows))
    made["actor"] = made["session"]
    times = np.array([round(at * 1e9) for at, *_ in rows], np.int64)
    seen = stream(0.1, 7)
    said: dict[str, tuple[dict[int, float], str]] = {
        "`session_evidence`": ({key: -math.log10(min(its)) for key, its in seen.p.items()}, "native"),
        "`session_conduct`": ({key: its[-1] for key, its in seen.rank.items()}, "native"),
    }
    for name, (model, features) in TRIED.items():
        score, micros = scored(plan_of(model, {**SESSIONS, "features": features}), made, times)
        most: dict[int, float] = {}
        for key, one in zip(made["session"].tolist(), score.tolist(), strict=True):
            most[key] = max(most.get(key, 0.0), one)
        said[name] = (most, f"{micros:.0f}")
    names = [*MACHINES, *INTEGRATIONS]
    yield f"| sessions judged by | AUC | {' | '.join(names)} | us a row |"
    yield f"| --- | ---: |{' ---: |' * len(names)} ---: |"
    for name, (most, micros) in said.items():
        of = {kind: np.array([most[key] for key, its in kinds.items() if its == kind]) for kind in ("person", *names)}
        guilty = np.concatenate([of[kind] for kind in MACHINES])
        cells = [f"{found(of[kind], of['person']):.0%}" for kind in names]
        yield f"| {name} | {auc(guilty, of['person']):.3f} | {' | '.join(cells)} | {micros} |"


@dataclass(frozen=True)
class EachAlone:
    """Each number ranked by itself: what a counted fact says."""

    owasp: ClassVar[str] = "API4:2023"
    severity: ClassVar[Severity] = "info"

    def signals(self, row: Request, state: State) -> Iterator[Signal]:
        """One for each number."""
        for value in (row.request_size, row.response_size, row.duration):
            yield Signal(p=state.tail(value, by=row.service, taught_by=row.principal), entity=row.principal, because="")


Call = tuple[float, float, float]
"""Bytes sent, bytes answered, seconds."""


def honest(chance: random.Random) -> Call:
    """A search: more results are more bytes, and take longer."""
    results = chance.lognormvariate(3, 1)
    return (
        chance.lognormvariate(4, 0.5),
        200 * results * chance.uniform(0.9, 1.1),
        (0.005 + results * 0.002) * chance.lognormvariate(0, 0.15),
    )


def dump(chance: random.Random) -> Call:
    """More than anybody is answered."""
    sent, answered, took = honest(chance)
    return sent, answered * 100, took * 100


def injected(chance: random.Random) -> Call:
    """A long question."""
    sent, answered, took = honest(chance)
    return sent * 12, answered, took


def blind(chance: random.Random) -> Call:
    """Waits as long as for many results, and is answered few: each is usual, not both."""
    return chance.lognormvariate(4, 0.5), 200 * math.exp(chance.uniform(1.2, 2)), 0.005 + math.exp(chance.uniform(4.2, 5)) * 0.002


def cached(chance: random.Random) -> Call:
    """Many results at once, as from a copy that nobody should have."""
    return chance.lognormvariate(4, 0.5), 200 * math.exp(chance.uniform(4.2, 5)), 0.005 + math.exp(chance.uniform(1.2, 2)) * 0.002


ATTACKS: Final = {"dump": dump, "long question": injected, "waits for little": blind, "much at once": cached}


def calls(seed: int) -> list[tuple[float, int, str, Call]]:
    """Time, who, kind and what of each request: 24 hours of people, attackers in the second half."""
    chance = random.Random(seed)
    made = [(chance.uniform(0, 86_400), who, "person", honest(chance)) for who in range(1, PEOPLE + 1) for _ in range(12)]
    for attack in ATTACKS:
        made += [(chance.uniform(43_200, 86_400), PEOPLE + 1 + len(made), attack, ATTACKS[attack](chance)) for _ in range(ATTACKERS)]
    return sorted(made)


PLANS: Final[Mapping[str, Callable[[], Plan]]] = {
    "each number alone (`tail`)": partial(build, [Chosen(id="alone", detector=EachAlone(), flags=False)]),
    **{f"`river: {name}`": partial(plan_of, name, SIZES) for name in MODELS},
}


@dataclass(frozen=True)
class Judged:
    """How odd each request of the second half was, by kind."""

    by_kind: Mapping[str, Scores]
    micros: float

    def found(self) -> dict[str, float]:
        """The share of each attacker's requests that is found."""
        return {kind: found(self.by_kind[kind], self.by_kind["person"]) for kind in ATTACKS}

    def auc(self) -> float:
        """Of all attackers."""
        return auc(np.concatenate([self.by_kind[kind] for kind in ATTACKS]), self.by_kind["person"])


def judged(name: str, seed: int = 7) -> Judged:
    """Single requests as one of PLANS judges them."""
    rows = calls(seed)
    sent, answered, took = (np.array([call[at] for *_, call in rows]) for at in range(3))
    made = {"service": np.full(len(rows), 7 << 20, np.uint64), "principal": np.array([who << 20 for _, who, *_ in rows], np.uint64)}
    made |= {"request_size": sent, "response_size": answered, "duration": took}
    score, micros = scored(PLANS[name](), made, np.array([round((START + at) * 1e9) for at, *_ in rows], np.int64))
    kinds = np.array([kind if at >= 43_200 else "early" for at, _, kind, _ in rows])
    return Judged({kind: score[kinds == kind] for kind in ("person", *ATTACKS)}, micros)


def requests() -> Iterator[str]:
    """The section about single requests."""
    yield f"| requests judged by | AUC | {' | '.join(ATTACKS)} | us a row |"
    yield f"| --- | ---: |{' ---: |' * len(ATTACKS)} ---: |"
    for name in PLANS:
        said = judged(name)
        cells = [f"{share:.0%}" for share in said.found().values()]
        yield f"| {name} | {said.auc():.3f} | {' | '.join(cells)} | {said.micros:.1f} |"


def measure() -> list[str]:
    """The lines of the section."""
    return [*sessions(), "", *requests()]
