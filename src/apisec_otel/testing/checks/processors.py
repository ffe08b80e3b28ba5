"""A processor behind those that it needs: it fills what it says, whatever comes, and leaves the bytes as they were."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from apisec_otel.builtin import known, load
from apisec_otel.component import Keeps, Processor, Restarts, declared
from apisec_otel.config import read
from apisec_otel.config.packaged import packaged
from apisec_otel.errors import ConfigError
from apisec_otel.plan.rows import columns
from apisec_otel.snapshots.parts import copied, given
from apisec_otel.spans.batch import SpanBatch
from apisec_otel.testing.built import Built
from apisec_otel.testing.checks.check import Check, expect, one, same
from apisec_otel.testing.checks.subject import Subject
from apisec_otel.testing.traffic import hostile, quiet, traffic


def checks(subject: Subject) -> list[Check]:
    """Those of a running processor."""
    says = (what_it_needs_is_provided, a_wrong_order_is_an_error, it_fills_what_it_says_and_nothing_else, bytes_are_left_alone)
    bears = (no_span_harms_it, nothing_harms_it, time_may_pass, hostile_requests_harm_nobody)
    same = (cuts_change_nothing, a_restart_changes_nothing, another_recording_may_begin)
    return [one(of, subject) for of in (*says, *bears, *same)]


def what_it_needs_is_provided(subject: Subject) -> None:
    """By processors that are installed; else nobody could configure it."""
    with subject.installed():
        missing = declared(subject.cls).needs - _provided([id for id in known("processors") if id != subject.id])
    expect(not missing, f"needs {', '.join(sorted(missing))}, which no installed processor provides")


def a_wrong_order_is_an_error(subject: Subject) -> None:
    """At start, and it names the column."""
    needs = declared(subject.cls).needs
    if not needs:
        return
    with subject.installed():
        try:
            _config(subject, [subject.id])
        except ConfigError as error:
            expect(any(column in str(error) for column in needs), f"the error names no column: {error}")
            return
    raise AssertionError(f"stands before what provides {', '.join(sorted(needs))}, and nobody minds")


def it_fills_what_it_says_and_nothing_else(subject: Subject) -> None:
    """Over half an hour of ordinary traffic: every column that it provides, and no other, has another value behind it."""
    before, after = (_records(subject, line) for line in (_before(subject), [*_before(subject), subject.id]))
    changed = {name for name in before.dtype.names or () if before[name].tobytes() != after[name].tobytes()}
    says, fields = declared(subject.cls).provides, set(before.dtype.names or ())
    rows = {column.name for column in columns()}
    same(sorted(changed & rows - says), [], "filled and not said")
    same(sorted((says & fields & rows) - changed), [], "said and not filled")


def bytes_are_left_alone(subject: Subject) -> None:
    """Spans of ordinary requests leave as they came, unless `annotates` says otherwise."""
    built = _built(subject)
    for request in (*traffic(), *quiet()):
        batch = built.take(request)
        untouched = built.batch(request).encode()
        expect(declared(subject.cls).annotates or batch.encode() == untouched, "a span was written on; say `annotates = True`")


def no_span_harms_it(subject: Subject) -> None:
    """A request without spans, and no request at all."""
    built = _built(subject)
    nothing: tuple[tuple[bytes, ...], ...] = ((), (b"",), (b"", b""))
    for requests in nothing:
        same(len(built.take(*requests)), 0, "rows")


def nothing_harms_it(subject: Subject) -> None:
    """Spans that are no API requests, alone and among others."""
    built = _built(subject)
    for request in quiet():
        built.take(request)
    built.take(*quiet(), *traffic()[:1])


def time_may_pass(subject: Subject) -> None:
    """A turn in which nothing came, before and after requests."""
    built = _built(subject)
    for requests in ((), traffic()[:2]):
        built.take(*requests)
        idle = built.batch()
        idle.now = 1_767_229_200 * 10**9
        for processor in _own(built, subject):
            processor.process(idle)


def hostile_requests_harm_nobody(subject: Subject) -> None:
    """Wild times, no ids, texts that are none: nothing is raised, and ordinary requests are understood as before."""
    built = _built(subject)
    for request in hostile():
        expect(built.take(request).encode(), "nothing leaves")
    built.take(*hostile())
    expect(len(built.take(traffic()[0])) > 0, "requests are no longer found")


def cuts_change_nothing(subject: Subject) -> None:
    """Columns, signals and findings are the same in one batch or in many."""
    whole = _outcome(subject, [traffic()])
    same(_outcome(subject, [[request] for request in traffic()]) == whole, True, "a request at a time gives the same")
    same(_outcome(subject, [traffic()[at : at + 7] for at in range(0, len(traffic()), 7)]) == whole, True, "seven at a time give the same")


def a_restart_changes_nothing(subject: Subject) -> None:
    """What has state can be copied and goes on in another process; all parts together judge as one process would."""
    first, second = _built(subject), _built(subject)
    cut = len(traffic()) // 2
    found = [_seen(subject, first, first.take(request)) for request in traffic()[:cut]]
    expect(given(second.parts(), list(copied(first.parts()))) == [], "begins without memory")
    found += [_seen(subject, second, second.take(request)) for request in traffic()[cut:]]
    same(found == [_seen(subject, one, one.take(request)) for one in [_built(subject)] for request in traffic()], True, "goes on alike")
    for processor in _own(first, subject):
        expect(isinstance(processor, Keeps) or not hasattr(processor, "snapshot"), "has a snapshot, but not `meaning` and `restore`")


def another_recording_may_begin(subject: Subject) -> None:
    """After a restart in replay the same requests are understood as the first time."""
    built = _built(subject)
    built.take(*traffic())
    for processor in built.processors.values():
        if isinstance(processor, Restarts):
            processor.restart()
    expect(len(built.take(*traffic())) > 0, "requests are no longer found")


def _outcome(subject: Subject, batches: Sequence[Sequence[bytes]]) -> list[Any]:
    built = _built(subject)
    return [row for requests in batches for row in _seen(subject, built, built.take(*requests))]


def _seen(subject: Subject, built: Built, batch: SpanBatch) -> list[Any]:
    """What a batch has after it: its columns row by row, and what was said of each row."""
    if not len(batch):
        return []
    records = built.view(batch.native)
    names = sorted(declared(subject.cls).provides & set(records.dtype.names or ()))
    said: dict[int, list[Any]] = {}
    for each in batch.raised:
        said.setdefault(each.row, []).append((each.detector, each.severity, each.sentence))
    for each in batch.findings:
        if not each.step:
            said.setdefault(each.row, []).append((each.id, each.suppressed))
    cells = [[_plain(value) for value in records[name].tolist()] for name in names]
    return [(*(column[row] for column in cells), said.get(row)) for row in range(len(batch))]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value


def _records(subject: Subject, line: Sequence[str]) -> Any:
    """All rows of ordinary traffic behind these processors."""
    with subject.installed():
        built = Built(_config(subject, line))
    batch = built.take(*traffic())
    return built.view(batch.native).copy()


def _built(subject: Subject) -> Built:
    with subject.installed():
        return Built(_config(subject, [*_before(subject), subject.id]))


def _own(built: Built, subject: Subject) -> Iterable[Processor]:
    return [processor for id, processor in built.processors.items() if id == subject.id]


def _before(subject: Subject) -> list[str]:
    """The fewest processors, in the order of the packaged pipeline, that provide what it needs."""
    order = [str(each.id) for line in read([packaged("replay")]).pipelines if line.id.type == "traces" for each in line.processors]
    others = [id for id in order if id not in (subject.id, "memory_limiter") and not declared(load("processors", id)).first]
    needed, line = set(declared(subject.cls).needs), list[str]()
    for id in reversed(others):
        if declared(load("processors", id)).provides & needed:
            line.insert(0, id)
            needed |= declared(load("processors", id)).needs
    return line


def _provided(ids: Iterable[str]) -> set[str]:
    return {column for id in ids for column in declared(load("processors", id)).provides}


def _config(subject: Subject, line: Sequence[str]) -> Any:
    """Replay's configuration with these processors."""
    settings: dict[str, Any] = {id: {} for id in line if id != subject.id} | {subject.id: dict(subject.settings)}
    more = {"processors": settings, "service": {"pipelines": {"traces": {"processors": list(line)}}}}
    return read([packaged("replay"), f"yaml:{json.dumps(more)}"])
