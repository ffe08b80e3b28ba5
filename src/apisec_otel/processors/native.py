"""Steps that the native module takes: Python hands over settings once and a batch at a time."""

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

from apisec_otel.component import Host, Processor, for_native
from apisec_otel.errors import ComponentError
from apisec_otel.spans.batch import NativeBatch, SpanBatch


class Step(Protocol):
    """The face of `_native.Requests`, `Endpoints` and `Sessions`."""

    def process(self, batch: NativeBatch, /) -> None: ...


def native(name: str, settings: Any, host: Host) -> Processor:
    """The native step of that name with these settings: durations in seconds, sizes in bytes."""
    try:
        module = import_module("apisec_otel._native")
    except ImportError as error:
        raise ComponentError(f"processors::{host.id}: the native module is not built: {error}; run `make build`") from error
    make: Callable[[str, Any], Step] = getattr(module, name)
    return _Native(make(json.dumps(for_native(settings)), host.vocabulary))


class _Native:
    def __init__(self, step: Step) -> None:
        self._step = step

    def process(self, batch: SpanBatch) -> None:
        self._step.process(batch.native)
