"""Watches what requests lack, beside the plan that suffers from it."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any, Final

from apisec_otel.inventory.coverage import Coverage, ServiceCoverage
from apisec_otel.spans.batch import NativeBatch

SAMPLED: Final = 16
"""A running service looks at one request of so many; what is missing is missing in all of them."""


class Covering:
    """Counts the requests of each service, and what they lack."""

    def __init__(self, coverage: Coverage, *, every: int = SAMPLED) -> None:
        self._coverage = coverage
        self._native: Any = import_module("apisec_otel._native").Coverage(json.dumps(coverage.for_native(every)))

    def process(self, batch: NativeBatch) -> None:
        """Counts the new requests of a batch."""
        self._native.process(batch)

    def advance(self, now: int) -> None:
        """Time (ns) passes without a request."""
        self._native.advance(now)

    def services(self) -> list[ServiceCoverage]:
        """What is known by now, by service. From any thread."""
        return self._coverage.of(self._native.services(), self._native.now())

    def silences(self) -> float:
        """Times that a busy service told nothing for a batch interval."""
        return float(sum(each["silences"] for each in self._native.services()))

    @property
    def overflow(self) -> float:
        """Requests of services for which there was no room."""
        return float(self._native.overflow())
