"""What a detector says of itself, and what the plan makes of it, before any request."""

from __future__ import annotations

import ast
import inspect
import json
import math
import re
import sys
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from apisec_otel.clock import ManualClock
from apisec_otel.config import read
from apisec_otel.config.packaged import packaged
from apisec_otel.pipeline import Gap, Pipeline
from apisec_otel.plan.build import Plan
from apisec_otel.plan.engine import native
from apisec_otel.plan.node import PlanError
from apisec_otel.plan.outside import Outside
from apisec_otel.plan.signal import ITEM_WORD, SEVERITIES, sentence
from apisec_otel.processors.detect import Detect
from apisec_otel.telemetry import Telemetry
from apisec_otel.testing.checks.check import Check, expect, one, same
from apisec_otel.testing.checks.settings import numbers_are_bounded
from apisec_otel.testing.checks.subject import Subject
from apisec_otel.testing.traffic import Delivery, traffic

_OWASP = re.compile(r"API(?:[1-9]|10):20\d\d")
_FLOOD = 30_000
_SECOND = 10**9
_START = 1_767_225_600 * _SECOND


def checks(subject: Subject, config: dict[str, Any]) -> list[Check]:
    """Those of its declaration. `config` is what it wants configured beside it."""
    alone = (risk_and_severity_are_known, only_the_api_is_imported, numbers_are_bounded)
    planned = (it_plans_the_same_each_time, it_plans_beside_all_others, memory_stays_under_its_cap, every_sentence_can_be_said)
    return [one(of, subject) for of in alone] + [one(of, subject, config) for of in (*planned, its_failure_keeps_no_span_back)]


def risk_and_severity_are_known(subject: Subject) -> None:
    """`owasp` is of the API Security Top 10, `severity` one of five; what findings say beside them is text."""
    expect(_OWASP.fullmatch(str(getattr(subject.cls, "owasp", ""))), "owasp is the risk's id, as in API1:2023")
    expect(getattr(subject.cls, "severity", "") in SEVERITIES, f"severity is one of {', '.join(SEVERITIES)}")
    for name in ("reference", "technique", "version"):
        expect(isinstance(getattr(subject.cls, name, ""), str), f"{name} is a text")
    for name in ("deterministic", "background"):
        expect(isinstance(getattr(subject.cls, name, False), bool), f"{name} is True or False")


def only_the_api_is_imported(subject: Subject) -> None:
    """Everything else of the product may change under it."""
    tree = ast.parse(inspect.getsource(sys.modules[subject.cls.__module__]))
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    ours = {each for each in modules if each.partition(".")[0] == "apisec_otel" and not each.startswith("apisec_otel.testing")}
    expect(ours <= {"apisec_otel.api"}, f"imports {', '.join(sorted(ours - {'apisec_otel.api'}))}; a detector imports apisec_otel.api only")


def it_plans_the_same_each_time(subject: Subject, config: dict[str, Any]) -> None:
    """At least one Signal, and the same plan at every start: memory is found again by what it computes."""
    first, second = plans_of(subject, config), plans_of(subject, config)
    expect(any(plan.statements for plan in first), "yields no Signal")
    same([plan.spec for plan in second], [plan.spec for plan in first], "planned twice")


def it_plans_beside_all_others(subject: Subject, config: dict[str, Any]) -> None:
    """With every installed detector, in the memory that there is by default."""
    with subject.installed():
        detect = _detect(config, {subject.id: {"mode": "alert", **subject.settings}})
        said = [each.detector for each in detect.plan(custom=_custom(config)).statements]
    expect(subject.id in said, "is not in the plan")


def memory_stays_under_its_cap(subject: Subject, config: dict[str, Any]) -> None:
    """30,000 rows, each with values that never came before, in the least memory that it plans in."""
    for plan in plans_of(subject, config, smallest=True):
        executor: Any = native(plan.spec, Outside(plan.functions))
        nodes = [node for node in json.loads(plan.spec)["nodes"] if node["op"] == "column"]
        for start in range(0, _FLOOD, 5_000):
            columns, times = _flood(nodes, start, 5_000)
            executor.run_columns(columns, times, None, True, [])
        caps = [int(table["bytes"]) for table in json.loads(plan.spec)["tables"]]
        used = [int(table["bytes"]) for table in executor.tables()]
        # a table settles between two seconds or every 512 rows
        expect(all(size <= 1.05 * cap for size, cap in zip(used, caps, strict=True)), f"tables take {used} bytes of {caps}")


def every_sentence_can_be_said(subject: Subject, config: dict[str, Any]) -> None:
    """Whatever of the evidence is missing, and whatever its size."""
    extremes = (None, 0.0, -1.5, 1e308, math.inf)
    for plan in plans_of(subject, config):
        of_item = {ITEM_WORD: "parameter page"} if plan.rows == "Item" else {}
        for said in plan.statements:
            for observed, expected in product(extremes, repeat=2):
                text = sentence(
                    said.because,
                    dict.fromkeys(said.evidence, (observed, expected)),
                    said.settings,
                    {"endpoint": "shop GET /orders/{id}", **of_item},
                )
                expect(text.strip(), "an empty sentence")
            nothing = sentence(
                said.because, dict.fromkeys(said.evidence, (None, None)), said.settings, {"endpoint": "(unmatched)", **of_item}
            )
            expect("nan" not in nothing.split(), f"what is missing is told as a number: {nothing}")


def its_failure_keeps_no_span_back(subject: Subject, config: dict[str, Any]) -> None:
    """An engine that breaks while this detector runs: senders hear success, spans leave as they came, the gap is told."""
    from apisec_otel.cli.replay_engine import engine_of

    with subject.installed():
        engine = engine_of(_alone(subject, config), lambda plan: _Breaking())
        gaps: list[Gap] = []
        named = [(type(each).__name__, each) for each in engine.processors]
        pipeline = Pipeline(id="traces", processors=named, clock=ManualClock(at=_START), telemetry=Telemetry(), on_gap=gaps.append)
        for request in traffic():
            delivery = Delivery(engine.decode([request]))
            pipeline.take(delivery)
            same(delivery.answer, "accepted", "the sender hears")
            expect(delivery.batch.encode() == engine.decode([request]).encode(), "spans do not leave as they came")
    same([gap.component for gap in gaps], ["Detecting"], "gaps told")


class _Breaking:
    """A watch that breaks the run it is told of."""

    asked = ()

    def ran(self, batch: Any, answers: Any, late: Any) -> None:
        raise RuntimeError("broken on purpose")


def plans_of(subject: Subject, config: dict[str, Any], *, smallest: bool = False) -> list[Plan]:
    """The plans of the detector alone, of Request, of Step and of Item rows, in 128 MiB or in the least memory that does."""
    with subject.installed():
        detect = next(each.settings for each in _alone(subject, config).used() if isinstance(each.settings, Detect))
        for shift in range(20 if smallest else 27, 28):
            try:
                made = Detect(defaults=detect.defaults, detectors=detect.detectors, max_bytes=1 << shift).plan(custom=_custom(config))
                return [plan for plan in (made.requests, made.steps, made.items) if plan.statements]
            except PlanError:
                if shift == 27:
                    raise
    return []


def _flood(nodes: list[dict[str, Any]], start: int, length: int) -> tuple[dict[str, Any], Any]:
    chance = np.random.default_rng(start)
    made: dict[str, Callable[[], Any]] = {
        "id": lambda: chance.integers(1, 1 << 62, length, np.uint64),
        "number": lambda: chance.uniform(0, 1_000, length),
        "logic": lambda: chance.choice(np.array([-1, 1], np.int8), length),
    }
    columns = {node["settings"]["name"]: made[node["kind"]]() for node in nodes}
    times = _START + (start + np.arange(length, dtype=np.int64)) * (_SECOND // 50)
    return {name: column for name, column in columns.items() if name not in ("always", "time")}, times


def _alone(subject: Subject, config: dict[str, Any]) -> Any:
    from apisec_otel.builtin import known

    chosen = {id: {"mode": "off"} for id in known("detectors")} | {subject.id: {"mode": "alert", **subject.settings}}
    alone = {"processors": {"detect": {"detectors": chosen}}}
    return read([packaged("replay"), f"yaml:{json.dumps(config)}", f"yaml:{json.dumps(alone)}"])


def _detect(config: dict[str, Any], chosen: dict[str, Any]) -> Detect:
    more = {"processors": {"detect": {"detectors": chosen}}}
    read_in = read([packaged("replay"), f"yaml:{json.dumps(config)}", f"yaml:{json.dumps(more)}"])
    return next(each.settings for each in read_in.used() if isinstance(each.settings, Detect))


def _custom(config: dict[str, Any]) -> dict[str, str]:
    return read([packaged("replay"), f"yaml:{json.dumps(config)}"]).custom_columns()
