"""`replay --out DIR`: the enriched spans, and what findings become, as files of OTLP/JSON lines."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from apisec_otel.cli.judged import Engine, Judged
from apisec_otel.clock import ManualClock
from apisec_otel.component import Signal
from apisec_otel.connectors.findings import Findings, FindingsSettings
from apisec_otel.exporters.file import FileExporter, FileSettings
from apisec_otel.reply import Reply
from apisec_otel.telemetry import Telemetry

ENRICHED = "traces.jsonl"
FILES: dict[Signal, str] = {"traces": "finding_spans.jsonl", "logs": "findings.jsonl", "metrics": "metrics.jsonl"}
"""Where what findings become is written."""


class OutDirectory:
    """Writes what leaves the pipeline; the clock is the newest event's, so that the same input gives the same files."""

    def __init__(self, directory: Path, engine: Engine) -> None:
        self._enriched = _file(directory / ENRICHED)
        self._files = {signal: _file(directory / name) for signal, name in FILES.items()}
        self._engine = engine
        self._clock: ManualClock | None = None
        self._findings: Findings | None = None

    def __enter__(self) -> OutDirectory:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None and self._findings is not None:
            self._findings.stop()
        for file in (self._enriched, *self._files.values()):
            file.stop()

    def write(self, judged: Judged) -> None:
        """Takes a judged batch. A disk that is full is an OSError: half an output is none."""
        _check(self._enriched.export("traces", judged.batch.encode()))
        batch = judged.batch
        if not len(batch) and not batch.findings and not batch.incidents:
            return
        newest = int(self._engine.view(batch)["time"].max()) if len(batch) else 0
        if self._clock is None or self._findings is None:
            self._clock = ManualClock(newest)
            self._findings = self._connector(self._clock)
        self._clock.at = max(self._clock.at, newest)
        self._findings.consume(judged.batch)
        if not self._findings.flush():
            raise OSError("the directory for --out cannot be written")

    def send(self, signal: Signal, payload: bytes) -> Reply:
        """Where the connector sends what it made."""
        return self._files[signal].export(signal, [payload])

    def _connector(self, clock: ManualClock) -> Findings:
        engine = self._engine
        return Findings(
            FindingsSettings(),
            self,
            frozenset(FILES),
            engine.row_view,
            engine.keyed_hash,
            clock,
            Telemetry(),
            engine.rules,
            engine.endpoint_names,
        )


def _file(path: Path) -> FileExporter:
    return FileExporter(FileSettings(path=str(path), create_directory=True))


def _check(reply: Reply) -> None:
    if not reply.accepted:
        raise OSError(reply.message)
