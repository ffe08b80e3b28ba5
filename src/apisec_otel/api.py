"""All that a detector imports.

A detector is a frozen dataclass whose fields are its settings; its one method `signals` runs once, at start, and says in
expressions over the columns of `row` and the memory of `state` which rows raise which Signal.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from annotated_types import Interval

from apisec_otel.plan.column import Id, Logic, Number
from apisec_otel.plan.functions import absolute, exp, known, log, maximum, minimum, when
from apisec_otel.plan.node import PlanError
from apisec_otel.plan.oddness import Oddness, oddness
from apisec_otel.plan.rows import Item, Request, Step
from apisec_otel.plan.signal import CRITICAL, HIGH, INFO, LOW, MEDIUM, Evidence, Severity, Signal
from apisec_otel.plan.state import State

Within = Annotated[timedelta, Interval(ge=timedelta(seconds=1), le=timedelta(hours=24))]
"""A setting: how long state looks back, or how soon it fades."""
Times = Annotated[int, Interval(ge=1, le=1_000_000)]
"""A setting: how often."""
Share = Annotated[float, Interval(gt=0, lt=1)]
"""A setting: a part of a whole."""

__all__ = [
    "CRITICAL",
    "HIGH",
    "INFO",
    "LOW",
    "MEDIUM",
    "Evidence",
    "Id",
    "Item",
    "Logic",
    "Number",
    "Oddness",
    "PlanError",
    "Request",
    "Severity",
    "Share",
    "Signal",
    "State",
    "Step",
    "Times",
    "Within",
    "absolute",
    "exp",
    "known",
    "log",
    "maximum",
    "minimum",
    "oddness",
    "when",
]
