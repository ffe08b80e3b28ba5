"""Items of requests: taken apart as the reference does, and judged the same under any cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import random_cuts
from said import Told, Traffic, asked, otlp
from test_payload import steps

from apisec_otel.api import Item, Severity, Signal, State
from apisec_otel.plan.build import build
from apisec_otel.plan.draft import Chosen
from apisec_otel.plan.engine import native
from apisec_otel.spans.items import splitting_json
from apisec_otel.spans.syntax import syntax_json
from apisec_otel.testing.built import Built
from apisec_otel.testing.reference.payload.items import Piece, pieces
from apisec_otel.testing.reference.text import features

MOST, DEPTH = 64, 12
COLUMNS = {"value": "id", "name": "id", "length": "number", "syntax": "number"} | dict.fromkeys(
    ("in_path", "in_query", "in_body", "in_header"), "logic"
)
FORMATS = {"id": "<u8", "number": "<f8", "logic": "i1"}


@dataclass(frozen=True)
class Odd:
    """Everything that state can hold of items, in one signal."""

    owasp: ClassVar[str] = "API8:2023"
    severity: ClassVar[Severity] = "low"

    def signals(self, row: Item, state: State) -> Iterator[Signal]:
        key = (row.endpoint, row.name)
        usual = state.quantile(row.length, 0.9, by=key, taught_by=row.actor)
        new = state.novelty(row.shape, by=key, taught_by=row.actor)
        values = state.distinct(row.value, by=(row.actor, row.name), within=timedelta(minutes=10))
        yield Signal(
            when=(row.length > usual) & (new < 0.2) | (row.syntax > 6) | (values > 8),
            p=new,
            entity=row.actor,
            evidence={"length": (row.length, usual), "marks": row.marks},
            because="{item}: {length.observed:.0f}",
        )


def taken_apart(told: Told, sent: Any) -> list[Piece]:
    """What the native step should make of a request."""
    deep = sent.path.removeprefix(b"/").split(b"/", DEPTH)
    path = [Piece("segment", b"%d" % at, text) for at, text in enumerate(deep, 1) if text]
    return [*path, *pieces(sent.query, sent.attributes, sent.agent)][:MOST]


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**32))
def test_requests_are_taken_apart_as_the_reference_does(seed: int) -> None:
    told = Traffic(seed).draw(60)
    built = steps()
    batch = built.take(*(otlp(number, one) for number, one in enumerate(told, 1)))
    nodes = [{"op": "column", "kind": kind, "settings": {"name": name}} for name, kind in COLUMNS.items()]
    plan: Any = native(json.dumps({"version": 1, "nodes": nodes}))
    plan.split(splitting_json(), built._words)
    answers = plan.run(batch.native, False, range(len(nodes)))
    rows = np.frombuffer(answers.numbers, np.uint32).tolist()
    found = {name: np.frombuffer(said, FORMATS[kind]).tolist() for (name, kind), said in zip(COLUMNS.items(), answers.values, strict=True)}
    records = built.view(batch.native)
    expected = [
        (row, piece) for row, one in enumerate(told) if records["probe"][row] != 1 for piece in taken_apart(one, asked(records[row], one))
    ]
    assert rows == [row for row, _ in expected]
    assert found["value"] == [built.keyed_hash(piece.text) for _, piece in expected]
    assert found["length"] == [len(piece.text) for _, piece in expected]
    assert found["syntax"] == [features(piece.text, piece.plus, piece.body, syntax_json())[3] for _, piece in expected]
    where = {"segment": "in_path", "parameter": "in_query", "header": "in_header"}
    for name in ("in_path", "in_query", "in_body", "in_header"):
        place = ["in_body" if piece.body else where[piece.place] for _, piece in expected]
        assert [said == 1 for said in found[name]] == [one == name for one in place]
    names = {(piece.place, piece.body, piece.name) for _, piece in expected}
    assert len(set(found["name"])) == len(names)


def judged(built: Built, requests: list[bytes], cuts: list[int]) -> list[Any]:
    """Everything raised on the items of a stream cut so, with what it says of them, and each request's best score."""
    plan: Any = native(build([Chosen(id="odd", detector=Odd())]).spec)
    plan.split(splitting_json(), built._words)
    told: list[Any] = []
    for start, end in pairwise(cuts):
        answers = plan.run(built.take(*requests[start:end]).native, True)
        raised = zip(answers.raised, answers.named, strict=True)
        told += [(row + start, *rest[:-1], repr(rest[-1]), named) for (row, *rest), named in raised]
        told += [("score", score) for score in np.frombuffer(answers.scores[0], "<f8").tolist()]
        told += [("learning", each) for each in answers.learning]
    return sorted(told, key=repr)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**32), count=st.sampled_from([60, 400]))
def test_cuts_change_nothing(seed: int, count: int) -> None:
    requests = [otlp(number, one) for number, one in enumerate(Traffic(seed).draw(count), 1)]
    whole = judged(steps(), requests, [0, count])
    assert any(isinstance(one[0], int) for one in whole)
    assert judged(steps(), requests, random_cuts(seed, count)) == whole


def test_a_signal_is_a_requests_once_and_its_items_beyond_the_64th_are_counted() -> None:
    told = Told(
        at=0, service="shop", version="1", path=b"/a/b", query=b"&".join(b"q%d=1'+or+'1'='1" % at for at in range(80)), agent=b"",
        keys={"user.id": "eve", "http.response.status_code": 200}, sent=(),
    )  # fmt: skip
    built = steps()
    plan: Any = native(build([Chosen(id="odd", detector=Odd())]).spec)
    plan.split(splitting_json(), built._words)
    answers = plan.run(built.take(otlp(1, told)).native)
    assert [row for row, *_ in answers.raised] == [0]
    assert answers.named == [("parameter", "q0")]
    assert plan.cut() == 80 + 2 - MOST


def test_what_a_splitter_is_told_is_checked() -> None:
    plan: Any = native(build([Chosen(id="odd", detector=Odd())]).spec)
    with pytest.raises(ValueError, match="unknown field"):
        plan.split('{"more": 1}', steps()._words)
