"""Steps that the native module takes: Python hands over settings once and a batch at a time."""

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

from apisec_otel.component import Host
from apisec_otel.errors import ComponentError


def native_step(name: str, settings: Mapping[str, object], host: Host) -> Any:
    """`_native.Requests`, `Endpoints` or `Sessions` with these settings: durations in nanoseconds, sizes in bytes.

    ComponentError when the native module is not built.
    """
    try:
        module = import_module("apisec_otel._native")
    except ImportError as error:
        raise ComponentError(f"processors::{host.id}: the native module is not built: {error}; run `make build`") from error
    return getattr(module, name)(json.dumps(settings), host.vocabulary)


def restored(step: Any, shards: Iterable[bytes]) -> Sequence[str]:
    """Gives a native step its state back; answers what begins without memory. ValueError when they are no shards."""
    if not all(step.load(shard) for shard in shards):
        return ["kept in another layout"]
    return list(step.loaded())
