"""How far a replay is, on standard error: a bar when it is a terminal, else one line at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from apisec_otel.cli.judged import Rows, Summary, Told
from apisec_otel.cli.session_book import SessionTotals
from apisec_otel.findings.finding import Finding
from apisec_otel.findings.text import escape
from apisec_otel.receivers.otlp_json_file import Fault, OtlpFile


class Progress:
    """The bar, and what could not be read; an output of replay like the others."""

    def __init__(self, files: Sequence[str], out: TextIO) -> None:
        self._console = Console(file=out, highlight=False)
        self._total = sum(OtlpFile(path).size for path in files)
        self._bar: RichProgress | None = None
        self._task = TaskID(0)
        self._begun = time.perf_counter()
        self._passed: dict[str, int] = {}
        self._spans = 0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task("replay", total=self._total or None, rate="")
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def at(self, file: OtlpFile, spans: int) -> None:
        """Shows how much of the files was read."""
        self._spans = spans
        self._passed[file.path] = file.position
        if self._bar is not None:
            name = escape(os.path.basename(file.path))
            self._bar.update(self._task, completed=sum(self._passed.values()), description=name, rate=self._rate(spans))

    def batch(
        self,
        rows: Rows,
        findings: Sequence[Finding],
        ended: Sequence[tuple[int, SessionTotals]] = (),
        told: Sequence[tuple[int, Told]] = (),
    ) -> None:
        """Nothing: requests are printed elsewhere."""

    def told(self, told: Told) -> None:
        """Nothing: incidents are printed elsewhere."""

    def session(self, totals: SessionTotals) -> None:
        """Nothing: sessions are printed elsewhere."""

    def fault(self, fault: Fault) -> None:
        """Says what could not be read, at once."""
        self._console.print(escape(str(fault)), markup=False, soft_wrap=True)

    def end(self, summary: Summary) -> None:
        """Says how long it took; what is measured on the clock stands nowhere else."""
        spans = max(self._spans, summary.spans)
        seconds = time.perf_counter() - self._begun
        more = summary.decode_errors - len(summary.faults)
        if more > 0:
            self._console.print(f"replay: {more} more could not be read", markup=False)
        self._console.print(f"replay: {spans:,} spans in {seconds:.1f} s ({self._rate(spans)})", markup=False)

    def _rate(self, spans: int) -> str:
        return f"{spans / max(1e-9, time.perf_counter() - self._begun):,.0f} spans/s"
