"""What requests say: the native step against the oracle, request by request, under any cut, in another process and out of room."""

from __future__ import annotations

import pickle
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from plans import random_cuts
from said import Traffic, asked, otlp

from apisec_otel.config import read
from apisec_otel.spans.columns import records
from apisec_otel.spans.syntax import syntax_json
from apisec_otel.testing.built import Built
from apisec_otel.testing.reference.payload import Model

STEPS = """
receivers: {otlp: {protocols: {http: {endpoint: "localhost:0"}}}}
processors: {requests: {}, endpoints: {}, sessions: {}, payloads: {max_bytes: ROOM}}
exporters: {debug: {}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {traces: {receivers: [otlp], processors: [requests, endpoints, sessions, payloads], exporters: [debug]}}
"""
ROOM, NARROW = 32 << 20, 64 << 10
LONG = 3
"""A stream in which no version is new, so that keys' budgets for odd lessons are spent."""


def steps(room: int = ROOM) -> Built:
    """One process's steps up to the payloads'."""
    return Built(read(["yaml:" + STEPS.replace("ROOM", str(room))]))


def taken(built: Built, requests: list[bytes], cuts: list[int]) -> tuple[Any, dict[int, Any]]:
    """Rows of the stream cut so, and reasons by row."""
    rows, reasons = [], {}
    for start, end in pairwise(cuts):
        batch = built.take(*requests[start:end])
        rows.append(records(batch.native))
        reasons |= {start + row: reason for row, reason in batch.native.reasons()}
    return np.concatenate(rows), reasons


def columns(rows: Any) -> Any:
    """What is said of each."""
    return np.array([rows[f"payload_{name}"] for name in ("p", "score", "usual")]).T


Kept = dict[str, list[bytes]]


def kept(built: Built) -> Kept:
    """What each step keeps."""
    return {id: list(part.snapshot()) for id, part in built.parts().items()}


def resumed(shards: Kept) -> Built:
    """Steps that go on with what others kept."""
    built = steps()
    for id, part in built.parts().items():
        assert part.restore(shards[id]) == []
    return built


@pytest.mark.timeout(240)  # the oracle is plain Python, and slow
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32), count=st.sampled_from([1, 60, 500, 900]), services=st.integers(1, 3))
@example(seed=LONG, count=4_000, services=1)
def test_native_is_the_oracle_however_it_is_cut(seed: int, count: int, services: int) -> None:
    told = Traffic(seed, services=services).draw(count)
    native = steps()
    rows, reasons = taken(native, [otlp(number, one) for number, one in enumerate(told, 1)], random_cuts(seed, count))
    model = Model(native.keyed_hash, syntax_json())
    for at, (row, one, seen) in enumerate(zip(rows, told, columns(rows).tolist(), strict=True)):
        said = model.take(asked(row, one))
        assert seen == pytest.approx((said.p, said.score, said.usual), rel=1e-9), f"request {at}: {one}"
        assert (at in reasons) == (said.why is not None)
        if said.why:
            *why, parts = reasons[at]
            assert why == list(said.why[:-1]), f"request {at}: {one}"
            assert list(parts) == pytest.approx(said.why[-1], rel=1e-9)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**32), cut=st.integers(1, 399))
def test_a_restart_changes_nothing(seed: int, cut: int) -> None:
    requests = [otlp(number, one) for number, one in enumerate(Traffic(seed).draw(400), 1)]
    expected, _ = taken(steps(), requests, [0, cut, 400])
    first = steps()
    before, _ = taken(first, requests, [0, cut])
    after, _ = taken(resumed(kept(first)), requests[cut:], [0, 400 - cut])
    np.testing.assert_array_equal(np.concatenate([columns(before), columns(after)]), columns(expected))


@pytest.mark.parametrize("cut", [1, 217, 399])
def test_another_process_goes_on_alike(cut: int, tmp_path: Path) -> None:
    requests = [otlp(number, one) for number, one in enumerate(Traffic(cut).draw(400), 1)]
    expected, _ = taken(steps(), requests, [0, cut, 400])
    first = steps()
    taken(first, requests, [0, cut])
    handed, answered = tmp_path / "handed", tmp_path / "answered.npy"
    handed.write_bytes(pickle.dumps((kept(first), requests[cut:])))
    subprocess.run([sys.executable, __file__, str(handed), str(answered)], check=True, env={"PYTHONPATH": ":".join(sys.path)})
    np.testing.assert_array_equal(np.load(answered), columns(expected)[cut:])


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 2**32))
def test_cuts_change_nothing_where_room_is_short(seed: int) -> None:
    requests = [otlp(number, one) for number, one in enumerate(Traffic(seed, services=3).draw(900), 1)]
    whole, _ = taken(steps(NARROW), requests, [0, 900])
    pieces, _ = taken(steps(NARROW), requests, random_cuts(seed, 900))
    np.testing.assert_array_equal(columns(pieces), columns(whole))


if __name__ == "__main__":
    shards, rest = pickle.loads(Path(sys.argv[1]).read_bytes())
    np.save(sys.argv[2], columns(taken(resumed(shards), rest, [0, len(rest)])[0]))
