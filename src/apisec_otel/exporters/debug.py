"""Exporter `debug`: says on standard error what leaves."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, TextIO

from apisec_otel.component import Host, Signal
from apisec_otel.exporters.otlp_json import to_json
from apisec_otel.findings.text import escape
from apisec_otel.reply import ACCEPTED, Reply

_LEVELS: Final = {
    "traces": ("resourceSpans", "scopeSpans", "spans"),
    "logs": ("resourceLogs", "scopeLogs", "logRecords"),
    "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
}
_WORDS: Final = {"traces": "spans", "logs": "log records", "metrics": "metrics"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugSettings:
    """Prints what leaves on standard error."""

    signals: ClassVar[frozenset[str]] = frozenset({"traces", "logs", "metrics"})

    verbosity: Literal["basic", "normal", "detailed"] = "basic"
    """basic: counts. normal: a line for each span, log record or metric. detailed: everything."""

    def build(self, host: Host) -> DebugExporter:
        """The printer."""
        return DebugExporter(self)


class DebugExporter:
    """Prints each request, values escaped: what callers chose does not reach the terminal as control characters."""

    def __init__(self, settings: DebugSettings, out: TextIO | None = None) -> None:
        self._verbosity = settings.verbosity
        self._out = out

    def export(self, signal: Signal, requests: Sequence[bytes]) -> Reply:
        """Prints Export requests of `signal` (traces, logs, metrics)."""
        for request in requests:
            try:
                content = json.loads(to_json(signal, request))
            except ValueError as error:
                return Reply(False, message=f"debug: not a request of {signal}: {error}")
            for line in self._lines(signal, content, len(request)):
                print(line, file=self._out or sys.stderr)
        return ACCEPTED

    def _lines(self, signal: str, content: dict[str, Any], size: int) -> Iterator[str]:
        outer, middle, inner = _LEVELS[signal]
        items = [
            (item, resource.get("resource", {}))
            for resource in content.get(outer, [])
            for scope in resource.get(middle, [])
            for item in scope.get(inner, [])
        ]
        yield f"debug: {signal}: {len(content.get(outer, []))} resources, {len(items)} {_WORDS[signal]}, {size} bytes"
        if self._verbosity == "normal":
            for item, _ in items:
                name = item.get("name") or item.get("eventName") or _value(item.get("body", {}))
                yield f"  {escape(str(name))} {_attributes(item)}".rstrip()
        elif self._verbosity == "detailed":
            for item, resource in items:
                yield f"  resource {_attributes(resource)}"
                yield from (f"    {line}" for line in _tree(item))


def _tree(item: dict[str, Any]) -> Iterator[str]:
    for key, value in item.items():
        if key == "attributes":
            yield "attributes:"
            yield from (f"  {escape(pair.get('key', ''))}: {_value(pair.get('value', {}))}" for pair in value)
        elif key == "body":
            yield f"body: {_value(value)}"
        elif isinstance(value, (dict, list)):
            yield f"{key}: {escape(json.dumps(value, ensure_ascii=False))}"
        else:
            yield f"{key}: {escape(str(value))}"


def _attributes(item: dict[str, Any]) -> str:
    return " ".join(f"{escape(pair.get('key', ''))}={_value(pair.get('value', {}))}" for pair in item.get("attributes", []))


def _value(value: dict[str, Any]) -> str:
    if len(value) != 1:
        return ""
    (only,) = value.values()
    return escape(only if isinstance(only, str) else json.dumps(only, ensure_ascii=False))
