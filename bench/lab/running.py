"""The lab's days through `apisec-otel replay` as users run it: the first ones teach, the others are judged, on two cores side by side."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import IO, Any

from examples.lab.lab import Lab, Setting
from examples.lab.simulation import DAY
from examples.lab.truth import Truth


@dataclass(frozen=True, slots=True)
class Known:
    """What is true of a request."""

    day: int
    """From 0."""
    kind: str
    campaign: str = ""
    attack: str = ""
    strength: str = ""
    step: int = 0


@dataclass
class Judged:
    """What replay said, and what is true."""

    truth: dict[str, Known] = field(default_factory=dict)
    """By trace id, of the days that were judged."""
    visible: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By campaign: requests whose spans show what is wrong with them, and all."""
    requests: list[dict[str, float]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    incidents: list[dict[str, Any]] = field(default_factory=list)
    """Lines, one a change, in order; empty too where replay knows no incidents."""
    summary: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, dict[float, int]] = field(default_factory=dict)
    """By detector: how many scores above 0 there were on honest requests, by the score to three digits."""
    detectors: list[str] = field(default_factory=list)
    honest: dict[int, int] = field(default_factory=dict)
    """Honest requests of each day."""


def run(setting: Setting, learn_days: int) -> Judged:
    """Makes the traffic, has it judged, and answers what was said. RuntimeError with replay's last words when it fails."""
    judged = Judged()
    with TemporaryFile() as log, _replay(log) as (child, learning):
        reader = threading.Thread(target=_hear, args=(child.stdout, judged), daemon=True)
        reader.start()
        with suppress(BrokenPipeError):  # its own words, below, say more
            _feed(setting, learn_days, judged, learning, child.stdin)
        reader.join()
        code = child.wait()
        log.seek(0)
        if code:
            raise RuntimeError(f"replay ended with {code}: {log.read()[-500:].decode(errors='replace')}")
    return judged


@contextmanager
def _replay(log: IO[bytes]) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """A replay that learns from one pipe and judges what comes from another."""
    taught, teach = os.pipe()
    command = [sys.executable, "-m", "apisec_otel", "replay", "--format", "json", "--learn", f"/dev/fd/{taught}", "-"]
    with ExitStack() as stack:
        learning = stack.enter_context(os.fdopen(teach, "wb"))
        child = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, pass_fds=(taught,))
        )
        os.close(taught)
        stack.callback(child.kill)
        yield child, learning


def _feed(setting: Setting, learn_days: int, judged: Judged, learning: IO[bytes], judging: IO[bytes] | None) -> None:
    assert judging is not None

    def note(at: float, line: str) -> None:
        day = int((at - setting.start) // DAY)
        if day >= learn_days:
            _note(judged, json.loads(line), day)

    first = setting.start + learn_days * DAY
    for at, request in Lab(setting, on_truth=note).records():
        if at >= first and not learning.closed:
            learning.close()
        file = learning if at < first else judging
        file.write(len(request).to_bytes(4, "big") + request)
    learning.close()
    judging.close()


def _note(judged: Judged, told: Truth, day: int) -> None:
    campaign = told["campaign"] or ""
    if told["attack"] is None:
        judged.truth[told["trace_id"]] = Known(day, sys.intern(told["kind"]))
        judged.honest[day] = judged.honest.get(day, 0) + 1
        return
    judged.truth[told["trace_id"]] = Known(day, told["kind"], campaign, told["attack"], told["strength"] or "", told["step"])
    shown, of = judged.visible.get(campaign, (0, 0))
    judged.visible[campaign] = (shown + told["visible"], of + 1)


def _hear(lines: IO[bytes] | None, judged: Judged) -> None:
    for line in lines or ():
        told = json.loads(line)
        if told["type"] == "request":
            _score(judged, told)
        elif told["type"] == "finding":
            judged.findings.append(told)
        elif told["type"] == "incident":
            judged.incidents.append(told)
        elif told["type"] == "summary":
            judged.summary = told


def _score(judged: Judged, told: dict[str, Any]) -> None:
    """Counts scores of honest requests, background scanners left out: what they do is no honest value."""
    if not judged.detectors:
        judged.detectors += told["detectors"]
    known = judged.truth.get(told["trace_id"])
    if not told["score"] or known is None or known.attack or known.kind == "noise":
        return
    for detector, score in told["detectors"].items():
        if score:
            counts = judged.scores.setdefault(detector, {})
            counts[round(score, 3)] = counts.get(round(score, 3), 0) + 1
