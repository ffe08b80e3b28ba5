"""Requests held until those before them have come: what the plan of Step rows is run over."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from apisec_otel.component import Host
from apisec_otel.spans.batch import Released, SpanBatch


class Ordering:
    """Holds each new request until stream time is 6 s past its own; past `max_bytes` the earliest go first."""

    def __init__(self, max_bytes: int, host: Host) -> None:
        self._native: Any = import_module("apisec_otel._native").Steps(json.dumps({"bytes": max_bytes}))
        self._before: Released | None = None
        for name in ("held", "bytes"):
            host.telemetry.observe(f"apisec_steps_{name}", partial(self._count, name))
        for name in ("late", "hurried"):
            host.telemetry.observe(f"apisec_steps_{name}", partial(self._count, name), "counter")

    def _count(self, name: str) -> float:
        return float(self._native.counts()[name])

    def take(self, batch: SpanBatch) -> Released:
        """Holds the batch's new requests; answers those whose time has come, in the order of their time.

        What was answered before is empty from now on: its memory is used again.
        """
        if self._before is not None:
            self._native.reuse(self._before.native)
            self._before = None
        if batch.over:
            taken = self._native.drain()
        elif batch.now is not None:
            taken = self._native.advance(batch.now)
        else:
            taken = self._native.process(batch.native)
        native, numbers, before, joined, alone = taken
        released = Released(native, np.frombuffer(numbers, np.uint64), np.frombuffer(before, np.uint32), joined, alone=alone)
        if not batch.over:  # what is left at the end may be read together with what comes after
            self._before = released
        return released

    def bound(self) -> int:
        """Time (ns) before which nothing will be released any more."""
        return int(self._native.bound())

    def snapshot(self) -> Iterator[bytes]:
        """What is held, in shards."""
        return iter(self._native.shards())

    def restore(self, shards: Iterable[bytes]) -> list[str]:
        """Holds it again, before any batch. ValueError: no shards."""
        return [] if all(self._native.load(shard) for shard in shards) else ["requests held in another layout"]

    def restart(self) -> None:
        """Begins anew with another recording; what is held should have been taken."""
        self._native.restart()
