"""`replay --out DIR`: the enriched spans, and what findings become, as files of OTLP/JSON lines."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Self

from apisec_otel.cli.judged import Engine, Judged
from apisec_otel.connectors.findings import Findings, FindingsSettings
from apisec_otel.exporters.file import FileExporter, FileSettings
from apisec_otel.reply import Reply

FILES = {"enriched": "traces.jsonl", "traces": "finding_spans.jsonl", "logs": "findings.jsonl", "metrics": "metrics.jsonl"}
"""What each file in the directory holds."""


class OutDirectory:
    """Writes what leaves the pipeline; time is the newest event's, so that the same input gives the same files."""

    def __init__(self, directory: Path, engine: Engine) -> None:
        self._files = {what: FileExporter(FileSettings(path=str(directory / name), create_directory=True)) for what, name in FILES.items()}
        self._engine = engine
        self._now = 0
        self._findings = Findings(FindingsSettings(), self, engine.view, _hash, lambda: self._now, {}, _version())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self._findings.stop()
        for file in self._files.values():
            file.stop()

    def write(self, judged: Judged) -> None:
        """Takes a judged batch. A full disk is an OSError: half an output is none."""
        if len(judged.batch):
            self._now = max(self._now, int(self._engine.view(judged.batch)["time"].max()))
        reply = self._files["enriched"].export("traces", judged.batch.encode())
        if not reply.accepted:
            raise OSError(reply.message)
        self._findings.consume(judged.batch, judged.findings)
        if not self._findings.flush():
            raise OSError("the directory for --out cannot be written")

    def send(self, signal: str, payload: bytes) -> Reply:
        """Where the connector sends what it made."""
        return self._files[signal].export(signal, [payload])


def _hash(text: bytes) -> int:
    """For ids of finding spans, made of finding ids that are keyed already."""
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") or 1


def _version() -> str:
    try:
        return version("apisec-otel")
    except PackageNotFoundError:
        return "0"
