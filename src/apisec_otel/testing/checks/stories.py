"""A detector over its scenarios: what it raises, whatever is done to the stream that must not matter."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from apisec_otel.cli.explaining import Explaining
from apisec_otel.findings.finding import Finding
from apisec_otel.findings.wire import logs_request, spans_request
from apisec_otel.plan.blind import vital
from apisec_otel.plan.build import Plan, native_name
from apisec_otel.testing.checks.check import Check, expect, one, same
from apisec_otel.testing.checks.declaration import plans_of
from apisec_otel.testing.checks.settings import configured
from apisec_otel.testing.checks.subject import Subject
from apisec_otel.testing.scenarios import Scenario, config_of, plan_of, rows_of, rows_to_spans, run_native, run_reference
from apisec_otel.testing.tight import changes, seen
from apisec_otel.testing.whole import Whole, requests, run_in_two, run_pipeline, run_requests

CUTS = (None, 1, 7)
KINDS = ("attack", "near_miss", "benign")
HELD = 5.9
"""Seconds for which exporters may hold a span back: a Step waits 6."""
SECRET = "s3cr3t"  # noqa: S105
ALWAYS_THERE = {"time", "authenticated", "endpoint"}
"""Columns that are never missing."""
OF_STATUS = {"status", "succeeded", "denied", "not_found", "failed", "login_failed"}
"""Columns that are missing together."""
_SECOND = 10**9

Story = Callable[[Scenario], None]


def checks(subject: Subject, config: dict[str, Any]) -> list[Check]:
    """Those of its scenarios, and that these hold it tightly."""
    plans = plans_of(subject, config)
    stories: list[Story] = [row_by_row, natively_however_it_is_cut, in_the_pipeline_however_it_is_cut, repeats_change_nothing]
    stories += [what_is_missing_never_raises]
    if any(draft.in_order for plan in plans for draft in plan.source.drafts):
        stories.append(order_within_six_seconds_changes_nothing)
    if not any(plan.functions for plan in plans):  # what Python functions keep does not outlive the process
        stories.append(a_restart_changes_nothing)
    found = [_of(subject, story, name, scenario) for story in stories for name, scenario in subject.scenarios]
    told = [no_secret_is_told] if any(plan.rows == "Item" for plan in plans) else [no_secret_is_told, explain_says_the_same]
    found += [_of(subject, story, *each) for story in told for each in subject.of_kind("attack")]
    custom = {name: kind for plan in plans for name, kind in plan.source.graph.custom.items()}
    held = [one(_held_tightly, subject, change, about=change.replace(" ", "_")) for change in changes(configured(subject), custom)]
    return [one(every_kind_of_story_is_told, subject), *found, *held]


def _of(subject: Subject, story: Story, name: str, scenario: Scenario) -> Check:
    def told(scenario: Scenario) -> None:
        with subject.installed():
            story(scenario)

    told.__name__ = story.__name__
    return one(told, scenario, about=name)


def every_kind_of_story_is_told(subject: Subject) -> None:
    """An attack, a near miss and benign traffic, each of this detector."""
    missing = [kind for kind in KINDS if not subject.of_kind(kind)]
    expect(not missing, f"no scenario is told of the kind {', '.join(missing)}")
    for name, scenario in subject.scenarios:
        same(scenario.detector, subject.id, f"{name}: detector")


def row_by_row(scenario: Scenario) -> None:
    """The oracle, which does everything again in plain Python, raises what is expected."""
    same(run_reference(scenario, plan_of(scenario)), scenario.expected(), "raised")


def natively_however_it_is_cut(scenario: Scenario) -> None:
    """The native plan raises what is expected, wherever a batch ends."""
    plan = plan_of(scenario)
    for cut in CUTS:
        same(run_native(scenario, plan, cut=cut), scenario.expected(), f"raised, cut every {cut} rows")


def in_the_pipeline_however_it_is_cut(scenario: Scenario) -> None:
    """Bytes through the whole pipeline, in one request or in many."""
    for cut in CUTS:
        same(run_pipeline(scenario, cut=cut), scenario.expected(), f"raised, {cut} rows a request")


def repeats_change_nothing(scenario: Scenario) -> None:
    """A sender that tries again: each request comes twice."""
    again = [request for request in requests(scenario, 1) for _ in range(2)]
    same(run_requests(scenario, again), scenario.expected(), "raised")


def what_is_missing_never_raises(scenario: Scenario) -> None:
    """Each column that is read is missing in turn. Nothing fails; nothing innocent is raised, nor anything that needs the column.

    A declaration that asks whether a column is there (`known(row.route)`) makes its absence a fact, which may count.
    """
    plan = plan_of(scenario)
    graph, read = plan.source.graph, plan.columns[scenario.detector]
    needed = vital(graph, plan.source.drafts, plan.columns)[scenario.detector]
    for column in sorted(read - ALWAYS_THERE - _asked_for(plan)):
        without = OF_STATUS if column in OF_STATUS else {column}
        raised = run_native(scenario, plan, without={native_name(graph, name) for name in without})
        if column in needed or scenario.kind != "attack":
            same(raised, [], f"raised without {column}")


def _asked_for(plan: Plan) -> set[str]:
    graph = plan.source.graph
    asked = [graph[graph[position].args[0]] for position in plan.source.order if graph[position].op == "known"]
    return {str(node.setting("name")) for node in asked if node.op == "column"}


def order_within_six_seconds_changes_nothing(scenario: Scenario) -> None:
    """Requests arrive one by one, up to 5.9 s after their time, in any order."""
    for seed in (1, 2):
        same(sorted(run_requests(scenario, _shuffled(scenario, seed))), sorted(scenario.expected()), f"raised, shuffled with seed {seed}")


def _shuffled(scenario: Scenario, seed: int) -> list[bytes]:
    chance = random.Random(seed)  # noqa: S311 - no secret
    times = [int(row["time"]) + chance.uniform(0, HELD) * _SECOND for row in rows_of(scenario)[0]]
    arriving = zip(times, requests(scenario, 1), strict=True)
    return [request for _, request in sorted(arriving, key=lambda one: one[0])]


def a_restart_changes_nothing(scenario: Scenario) -> None:
    """Another process goes on in the middle of the story from what the first one saved."""
    rows, teach = rows_of(scenario)
    same(run_in_two(scenario, list(requests(scenario, 1)), (len(rows) + teach) // 2), scenario.expected(), "raised")


def explain_says_the_same(scenario: Scenario) -> None:
    """The rows that `explain` tells to be raised are those that were."""
    explaining = Explaining(config_of(scenario), scenario.detector, None, limit=len(scenario.expected()))
    explaining.engine.process(list(requests(scenario, None)))
    explaining.engine.finish()
    teach = rows_of(scenario)[1]
    told = [int(row.span_id, 16) - teach for row in explaining.chosen() if row.raised]
    same(told, sorted({row for row, _ in scenario.expected()}), "explained")


def no_secret_is_told(scenario: Scenario) -> None:
    """Users, tokens, cookies and queries are in no finding, and in nothing that is written on a span."""
    whole = Whole(scenario)
    batch, rest = whole.take(_with_secrets(scenario)), whole.end()
    findings: list[Finding] = [*batch.findings, *rest.findings]
    expect(findings, "nothing was found")
    rules, keyed_hash = whole.rules, whole.keyed_hash
    for sent in (logs_request(findings, rules, "0", 0), spans_request(findings, rules, "0", keyed_hash), *_written(batch.encode())):
        expect(SECRET.encode() not in sent, "a secret of the request is in a finding")


def _with_secrets(scenario: Scenario) -> bytes:
    request = ExportTraceServiceRequest.FromString(rows_to_spans(scenario))
    for span in (span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans):
        _plant(span)
    return request.SerializeToString()


def _plant(span: Span) -> None:
    """The same user is the same user still; what shows a credential shows a secret one."""
    texts = {"http.request.header.cookie": f"sid={SECRET}", "url.query": f"access_token={SECRET}"}
    for attribute in span.attributes:
        if attribute.key in ("user.id", "enduser.id", "http.request.header.authorization", "http.request.header.x-api-key"):
            attribute.value.string_value = f"{attribute.value.string_value}{SECRET}"
    span.attributes.extend(KeyValue(key=key, value=AnyValue(string_value=text)) for key, text in texts.items())


def _written(requests: list[bytes]) -> Iterator[bytes]:
    for request in map(ExportTraceServiceRequest.FromString, requests):
        for span in (span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans):
            yield from (each.SerializeToString() for each in span.attributes if each.key.startswith("apisec."))


def _held_tightly(subject: Subject, change: str) -> None:
    """A condition dropped, a setting halved or doubled: some scenario comes out differently."""
    with subject.installed():
        scenarios = [scenario for _, scenario in subject.scenarios]
        expect(seen(change, scenarios, run_native), f"no scenario notices: {change}")


_held_tightly.__name__ = "scenarios_notice"
