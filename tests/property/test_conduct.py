"""How sessions go about their requests: the native kernel against the oracle, under any cut and with tables that are too small."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from executors import run_native, run_reference, run_restarted
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import SECOND, random_cuts

from apisec_otel.api import Severity, Signal, State, Step
from apisec_otel.plan.build import build
from apisec_otel.plan.draft import Chosen
from apisec_otel.plan.kernels.conduct import PARTS

START = 1_700_000_000 * SECOND
WAITS = (10**6, 10**8, SECOND, 2 * SECOND, 2 * SECOND, 5 * SECOND, 12 * SECOND, 70 * SECOND, 400 * SECOND, 2_000 * SECOND)


@dataclass(frozen=True)
class Everything:
    """Asks every answer of every row."""

    owasp: ClassVar[str] = "API4:2023"
    severity: ClassVar[Severity] = "low"

    def signals(self, row: Step, state: State) -> Iterator[Signal]:
        parts = {name.replace(".", "_"): state.conduct(name, row) for name in sorted(PARTS)}
        yield Signal(when=parts["evidence"] > 9.2, entity=row.session, evidence=parts, because="")


def visits(seed: int, count: int, sessions: int) -> list[dict[str, Any]]:
    """Rows of sessions that look at pages, load files, try what is refused and vary queries."""
    chance = random.Random(seed)
    ids = [chance.getrandbits(63) | 1 for _ in range(60)]
    time, rows = START, []
    for _ in range(count):
        time += chance.choice(WAITS) // chance.choice((1, sessions))
        page = chance.randrange(12)
        status = chance.choices((200, 404, 403, 500), (12, 3, 1, 1))[0]
        row = {"time": time, "session": ids[40 + chance.randrange(sessions)], "service": ids[chance.choice((38, 39))]}
        row |= {"path": ids[page], "path_parent": ids[12 + page % 4], "path_stem": ids[page if page % 3 else 16 + page]}
        row |= {"endpoint": ids[30 + page % 6], "principal": 0, "actor": row["session"], "status": float(status)}
        row |= {"failed": 1 if status >= 400 else -1, "asset": 1 if page % 5 == 4 else -1}
        row |= {"automatic": 1 if page == 11 else -1, "nested": 1 if page % 2 else -1}
        if chance.random() < 0.5:
            row["query_shape"] = chance.getrandbits(63) | 1 if chance.random() < 0.4 else ids[58]
        rows.append({name: value for name, value in row.items() if name == "time" or chance.random() > 0.02})
        rows[-1]["late"] = chance.random() < 0.02
    return rows


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**32), count=st.integers(1, 400), sessions=st.sampled_from([1, 3, 15]), memory=st.sampled_from([1 << 20, 24_000])
)
def test_native_is_the_oracle(seed: int, count: int, sessions: int, memory: int) -> None:
    plan = build([Chosen(id="everything", detector=Everything(), flags=bool(seed % 2))], memory=memory)
    rows = visits(seed, count, sessions)
    ours = run_reference(plan.spec, rows, [0, count], ask_all=True)
    theirs = run_native(plan.spec, rows, random_cuts(seed, count), ask_all=True)
    nodes = json.loads(plan.spec)["nodes"]
    for row, (left, right) in enumerate(zip(ours.values, theirs.values, strict=True)):
        for node, (a, b) in enumerate(zip(left, right, strict=True)):
            assert b == pytest.approx(a, rel=1e-5, abs=1e-5, nan_ok=True), f"row {row}: {nodes[node]['settings']}"
    assert ours.tables == theirs.tables
    assert count < 100 or any(value == value and value > 0 for value in ours.values[-1])


def test_a_restart_forgets_no_session() -> None:
    """Nor who has yet to teach; only votes that wait for the next second are lost, which moves scores a little."""
    plan = build([Chosen(id="everything", detector=Everything(), flags=False)])
    rows = visits(7, 600, 3)
    cuts = [0, *(at for at in range(1, 600) if at % 90 == 0), 600]
    whole = run_native(plan.spec, rows, [0, 600], ask_all=True)
    pieces = run_restarted(plan.spec, rows, cuts, ask_all=True)
    score = next(at for at, node in enumerate(json.loads(plan.spec)["nodes"]) if node["settings"].get("part") == "score")
    apart = [abs(a[score] - b[score]) for a, b in zip(whole.values, pieces.values, strict=True) if a[score] == a[score]]
    assert max(apart) < 0.2
