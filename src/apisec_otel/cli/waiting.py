"""What was said of requests as they arrived, until they have been judged in order as well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from apisec_otel.findings.finding import Finding
from apisec_otel.spans.batch import GONE, Released

Scores = Mapping[str, NDArray[np.float64]]
Ended = Sequence[tuple[int, int]]


class Waiting:
    """Requests are numbered as they come, as the native module numbers those that it holds."""

    def __init__(self) -> None:
        self._first = 0
        """Number of the first request that is still kept."""
        self._scores: dict[str, NDArray[np.float64]] = {}
        self._learning = np.zeros(0, np.bool_)
        self._done = np.zeros(0, np.bool_)
        self._findings: dict[int, list[Finding]] = {}
        self._ended: list[tuple[int, int, int]] = []

    def add(
        self,
        index: NDArray[np.intp],
        scores: Scores,
        learning: NDArray[np.bool_],
        findings: Iterable[Finding],
        ended: Ended,
        steps: Released,
    ) -> None:
        """Keeps what was said of the new requests of a batch, `index` being their rows; of `ended` the row and the session."""
        start = self._first + len(self._done)
        self._scores = {name: np.concatenate([self._scores.get(name, column[:0]), column[index]]) for name, column in scores.items()}
        self._learning = np.concatenate([self._learning, learning[index]])
        self._done = np.concatenate([self._done, np.zeros(len(index), np.bool_)])
        for finding in findings:
            number = start + int(np.searchsorted(index, finding.row))
            self._findings.setdefault(number, []).append(finding)
        for row, session in ended:
            before = int(np.searchsorted(steps.before, row, side="right"))
            self._ended.append((start + int(np.searchsorted(index, row)), session, before))

    def take(self, steps: Released) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.bool_], list[Finding], list[tuple[int, int]]]:
        """What was kept of released requests: scores, learning, findings by their place in `steps`, sessions that ended before one."""
        for gateway, application in steps.joined:
            self._join(gateway, application)
        numbers = steps.numbers.astype(np.int64)
        at = numbers - self._first
        scores = {name: column[at] for name, column in self._scores.items()}
        learning = self._learning[at]
        self._done[at] = True
        findings = self._found(numbers)
        self._forget()
        return scores, learning, findings, self._over(numbers)

    def _join(self, gateway: int, application: int) -> None:
        """What was said of a gateway's half of a call is said of the application's."""
        at = gateway - self._first
        self._done[at] = True
        if application == GONE:
            return
        to = application - self._first
        for column in self._scores.values():
            column[to] = max(column[to], column[at])
        self._findings.setdefault(application, []).extend(self._findings.pop(gateway, ()))
        if not self._findings[application]:
            del self._findings[application]

    def _found(self, numbers: NDArray[np.int64]) -> list[Finding]:
        found: list[Finding] = []
        for number in [number for number in self._findings if self._done[number - self._first]]:
            place = int(np.flatnonzero(numbers == number)[0])
            found += [replace(finding, row=place) for finding in self._findings.pop(number)]
        return found

    def _forget(self) -> None:
        waiting = np.flatnonzero(~self._done)
        done = int(waiting[0]) if len(waiting) else len(self._done)
        self._first += done
        self._scores = {name: column[done:] for name, column in self._scores.items()}
        self._learning, self._done = self._learning[done:], self._done[done:]

    def _over(self, numbers: NDArray[np.int64]) -> list[tuple[int, int]]:
        """A session has ended for a reader when the last request before its end is judged."""
        over: list[tuple[int, int]] = []
        kept: list[tuple[int, int, int]] = []
        for until, session, before in self._ended:
            if self._first < until:
                kept.append((until, session, 0))
                continue
            earlier = np.flatnonzero(numbers < until)
            over.append((max(before, int(earlier[-1]) + 1 if len(earlier) else 0), session))
        self._ended = kept
        return sorted(over, key=lambda one: one[0])
