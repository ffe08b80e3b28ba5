"""What columns refuse, and that they say what to write instead."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from apisec_otel.api import PlanError, Request, State, Step, absolute, exp, known, log, maximum, minimum, when
from apisec_otel.plan.node import Graph
from apisec_otel.plan.rows import columns

GRAPH = Graph()
ROW: Any = Request(GRAPH)
STATE: Any = State(GRAPH)
SEEN: Any = STATE.distinct(ROW.object_id, by=ROW.principal, within=timedelta(minutes=10))
TRUTH = (
    "a column has no truth value: this runs once, at start, not for each row. Instead of `a and b` write `a & b`; "
    "of `max(a, b)`, `maximum(a, b)`; of `1 < a < 3`, `(1 < a) & (a < 3)`."
)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda: bool(SEEN > 1), TRUTH),
        (lambda: max(SEEN, 3), TRUTH),
        (lambda: 1 < SEEN < 3, TRUTH),
        (lambda: [*SEEN], "cannot be looped over"),
        (lambda: 3 in SEEN, "cannot be looped over"),
        (lambda: np.asarray(SEEN), "a column is no array"),
        (lambda: SEEN + np.ones(3), "a number is wanted here"),
        (
            lambda: ROW.succeeded & SEEN > 20,
            "& joins conditions; its right side is a number, distinct(object_id). Did you mean (row.succeeded & (... > 20))?",
        ),
        (lambda: 20 & ROW.succeeded, "& joins conditions; its left side is a number, 20."),
        (lambda: SEEN | ROW.succeeded, "| joins conditions; its left side is a number, distinct(object_id)."),
        (lambda: ROW.succeeded | True, "| joins conditions; its right side is a number, True."),
        (lambda: ROW.succeeded == True, "instead of `a == True` write `a`"),  # noqa: E712
        (lambda: ROW.client == "10.0.0.1", "row.client is an id and compares with ids only; '10.0.0.1' is a str."),
        (lambda: ROW.client < SEEN, "a number is wanted here; row.client is an id."),
        (lambda: math.nan < SEEN, "a number is wanted here; nan is a float."),
        (lambda: SEEN + True, "a number is wanted here; True is a bool."),
        (lambda: SEEN + Request(Graph()).status, "row.status belongs to another plan"),
        (lambda: maximum(1, 2), "none of 1, 2 is a column"),
        (lambda: exp(1), "exp: a number column is wanted; 1 is an int."),
        (lambda: known(ROW.succeeded), "known: a number or an id is wanted; row.succeeded is a condition."),
        (lambda: when(SEEN, 1, 2), "when: a condition is wanted first; distinct(object_id) is a number."),
    ],
)
def test_refuses(write: Callable[[], object], message: str) -> None:
    """Each mistake is refused with the sentence that helps."""
    with pytest.raises(PlanError, match=re.escape(message)):
        write()


def test_misspelt_column_is_suggested() -> None:
    """A name that is nearly right is told the right one."""
    message = f"row.principle: no such column. Did you mean principal? ({len(columns())} columns: apisec-otel components --columns)"
    with pytest.raises(AttributeError, match=re.escape(message)):
        _ = ROW.principle


def test_numpy_numbers_are_numbers() -> None:
    """A numpy scalar on the left is a constant like any other."""
    assert repr(np.float64(3) < SEEN) == "(distinct(object_id) > 3)"
    assert repr(np.float64(3) * SEEN) == "(3 * distinct(object_id))"


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (3 * ROW.status - 1, "((3 * status) - 1)"),
        (1 - ROW.status / 2, "(1 - (status / 2))"),
        (2 / -ROW.status, "(2 / -status)"),
        (~(ROW.status >= 400) | ROW.denied, "(~(status >= 400) | denied)"),
        (ROW.client != ROW.network, "(client != network)"),
        (maximum(1, ROW.status, 3), "maximum(maximum(1, status), 3)"),
        (minimum(absolute(ROW.status), exp(log(ROW.duration))), "minimum(absolute(status), exp(log(duration)))"),
        (when(known(ROW.route), 1, 2), "when(known(route), 1, 2)"),
    ],
)
def test_text(column: object, text: str) -> None:
    """Columns print as they are written."""
    assert repr(column) == text


def test_every_column_is_described() -> None:
    """Each column has a kind and a sentence, and equal mentions are one node."""
    assert len(columns()) == len(columns(Step)) == 47
    for column in columns():
        face = getattr(ROW, column.name)
        assert isinstance(face, column.face)
        assert column.doc.endswith(".")
        assert getattr(ROW, column.name).position == face.position
