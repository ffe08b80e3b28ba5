"""Stored requests through the pipeline, on their own time, to whatever prints them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, Protocol

import numpy as np

from apisec_otel.cli.judged import Engine, Judged, Rows, Summary, Told, rows_of
from apisec_otel.cli.session_book import SessionBook, SessionTotals
from apisec_otel.findings.finding import Finding
from apisec_otel.findings.incident import Incident
from apisec_otel.findings.severity import Level
from apisec_otel.receivers.otlp_json_file import Fault, OtlpFile, Place

BATCH_BYTES: Final = 4 << 20
BATCH_RECORDS: Final = 256
"""Stored requests are judged together up to these; where they are cut changes nothing."""

SHOWN_FAULTS: Final = 20
"""Faults that are printed; the others are counted."""

Group = list[tuple[Place, bytes]]


class Output(Protocol):
    """Where what was judged goes."""

    def batch(
        self,
        rows: Rows,
        findings: Sequence[Finding],
        ended: Sequence[tuple[int, SessionTotals]] = (),
        told: Sequence[tuple[int, Told]] = (),
        /,
    ) -> None: ...

    def told(self, told: Told, /) -> None: ...

    def session(self, totals: SessionTotals) -> None: ...

    def fault(self, fault: Fault) -> None: ...

    def end(self, summary: Summary) -> None: ...


Progress = Callable[[OtlpFile, int], None]
"""Told now and then the file that is read, and the spans judged so far."""


class Replay:
    """Runs files through an engine, one stream in the order given, and hands what comes out to the outputs."""

    def __init__(self, engine: Engine, outputs: Sequence[Output], progress: Progress) -> None:
        self._engine, self._outputs, self._progress = engine, outputs, progress
        self._book = SessionBook()
        self._seen = 0
        self.summary = Summary()
        self.on_judged: Callable[[Judged], None] = lambda judged: None
        """Called with each judged batch, before it is printed."""

    def learn(self, files: Iterable[str]) -> None:
        """Teaches: prints nothing but what cannot be read."""
        for judged in self._judged(files):
            self._seen += judged.batch.spans
        self._engine.learned()

    def run(self, files: Iterable[str]) -> Summary:
        """Replays and prints; answers what was counted."""
        evicted, before = self._engine.evicted, self._engine.tallies()
        for judged in self._judged(files):
            self._print(judged)
        if (rest := self._engine.finish()) is not None:
            self._print(rest)
        self._end_sessions(self._book.end_all())
        self.summary.evicted = self._engine.evicted - evicted
        pairs = zip(before, self._engine.tallies(), strict=True)
        self.summary.tallies = [replace(after, matched=after.matched - was.matched) for was, after in pairs]
        for output in self._outputs:
            output.end(self.summary)
        return self.summary

    def _judged(self, files: Iterable[str]) -> Iterator[Judged]:
        for group in self._groups(files):
            try:
                yield self._engine.process([payload for _, payload in group])
            except ValueError:
                # One of them is broken: each alone gives the same answers, and says which.
                yield from self._one_by_one(group)

    def _one_by_one(self, group: Group) -> Iterator[Judged]:
        for place, payload in group:
            try:
                judged = self._engine.process([payload])
            except ValueError as error:
                self._fault(Fault(place, str(error)))
                continue
            yield judged

    def _groups(self, files: Iterable[str]) -> Iterator[Group]:
        group: Group = []
        size = 0
        for path in files:
            if group:
                yield group
                group, size = [], 0
            self._engine.begin()
            file = OtlpFile(path)
            for place, payload in self._requests(file):
                group.append((place, payload))
                size += len(payload)
                if size >= BATCH_BYTES or len(group) >= BATCH_RECORDS:
                    yield group
                    group, size = [], 0
                    self._progress(file, self._seen)
            self.summary.other += file.other
        if group:
            yield group

    def _requests(self, file: OtlpFile) -> Iterator[tuple[Place, bytes]]:
        for item in file:
            if isinstance(item, Fault):
                self._fault(item)
                continue
            try:
                payload = self._engine.transcode(item.payload) if item.json else item.payload
            except ValueError as error:
                self._fault(Fault(item.place, str(error)))
                continue
            yield item.place, payload

    def _fault(self, fault: Fault) -> None:
        self.summary.decode_errors += 1
        if len(self.summary.faults) < SHOWN_FAULTS:
            self.summary.faults.append(fault)
            for output in self._outputs:
                output.fault(fault)

    def _print(self, judged: Judged) -> None:
        if judged.drained is not None:
            self._print(judged.drained)
        self.on_judged(judged)
        self.summary.on_trial |= judged.shadow
        self._seen += judged.batch.spans
        self.summary.spans += judged.batch.spans
        if judged.restarted:
            self.summary.restarts += 1
            self._end_sessions(self._book.end_all())
        self._count_told([each for _, each in judged.told])
        if not len(judged.rows):
            for output in self._outputs:
                for _, each in judged.told:
                    output.told(each)
            ended = [self._book.end(key) for _, key in judged.ended]
            self._end_sessions(session for session in ended if session is not None)
            return
        rows = rows_of(judged, self._engine.view(judged.rows), self._engine.endpoint_names)
        self._count(rows, judged.findings)
        self._book.add(rows, judged.findings)
        sessions = self._ended(judged, rows)
        told = self._placed(judged, rows)
        for output in self._outputs:
            output.batch(rows, judged.findings, sessions, told)

    def _placed(self, judged: Judged, rows: Rows) -> list[tuple[int, Told]]:
        """What is told on its own, each with the position of the request before which it is."""
        places = np.searchsorted(rows.index, [row for row, _ in judged.told]).tolist()
        return [(at, each) for at, (_, each) in zip(places, judged.told, strict=True)]

    def _count_told(self, told: Sequence[Told]) -> None:
        incidents = [each for each in told if isinstance(each, Incident)]
        self.summary.incidents += sum(each.state == "open" and not each.suppressed for each in incidents)
        self.summary.suppressed["budget"] += sum(each.suppressed == "budget" for each in incidents)
        for each in told:
            if isinstance(each, Finding):
                self.summary.findings[each.level.word] += 1

    def _ended(self, judged: Judged, rows: Rows) -> list[tuple[int, SessionTotals]]:
        """Sessions that ended within a batch, each with the position of the request before which it did."""
        if not judged.ended:
            return []
        places = np.searchsorted(rows.index, [row for row, _ in judged.ended]).tolist()
        totals = [(at, self._book.end(key)) for at, (_, key) in zip(places, judged.ended, strict=True)]
        ended = [(at, session) for at, session in totals if session is not None]
        self.summary.sessions += len(ended)
        return ended

    def _count(self, rows: Rows, findings: Sequence[Finding]) -> None:
        summary = self.summary
        for finding in findings:
            summary.trials.update([finding.detector] if finding.trial else [])
            if finding.suppressed:
                summary.suppressed[finding.suppressed] += 1
            else:
                summary.findings[finding.level.word] += 1
        if not len(rows):
            return
        times = rows.records["time"]  # a span whose clock is wild does not stretch what is covered
        first, last = int(times.min()), int(times.max())
        summary.first = min(summary.first, first) if summary.requests else first
        summary.last = max(summary.last, last)
        summary.requests += len(rows)
        summary.late += int((rows.records["late"] == 1).sum())

    def _end_sessions(self, ended: Iterable[SessionTotals]) -> None:
        for totals in ended:
            self.summary.sessions += 1
            for output in self._outputs:
                output.session(totals)


def exit_code(summary: Summary, fail_on: str | None) -> int:
    """0 clean, 1 findings of `fail_on` or worse, 2 something could not be read (which wins)."""
    if summary.decode_errors:
        return 2
    if fail_on is None:
        return 0
    return int(any(count and Level.of(word) >= Level.of(fail_on) for word, count in summary.findings.items()))
