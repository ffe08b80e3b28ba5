"""The passes: what is shared, what is asked, how memory is divided, and the JSON that comes out."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from samples import MINUTE, busy, planned

from apisec_otel.api import MEDIUM, PlanError, Request, Signal, State, maximum, when


def _spec(*says: Any, **options: Any) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(planned(*says, **options).spec)
    return spec


def _nodes(spec: dict[str, Any], op: str) -> list[dict[str, Any]]:
    return [node for node in spec["nodes"] if node["op"] == op]


def test_equal_tallies_are_one_over_all_detectors() -> None:
    """Two detectors that count the same thing count it once, in one table."""
    spec = _spec(busy, busy)
    assert len(_nodes(spec, "count")) == 1
    assert len(spec["tables"]) == 1
    assert [signal["detector"] for signal in spec["signals"]] == ["sample_0", "sample_1"]


def test_tables_are_shared_by_key() -> None:
    """Kernels with the same key share a table, whatever the order of the tuple; the memory is divided evenly."""

    def say(row: Request, state: State) -> Signal:
        one = state.count(by=(row.client, row.path), within=MINUTE)
        two = state.distinct(row.method, by=(row.path, row.client), within=2 * MINUTE, limit=8)
        return Signal(when=one + two + state.count(by=row.client, within=MINUTE) > 3, entity=row.client, because="so")

    spec = _spec(say, memory=1 << 20)
    assert [table["bytes"] for table in spec["tables"]] == [1 << 19, 1 << 19]
    assert {table["expiry"] for table in spec["tables"]} == {60_000_000_000, 120_000_000_000}
    assert len({table["identity"] for table in spec["tables"]}) == 2
    assert all(len(table["identity"]) == 32 for table in spec["tables"])


def test_operands_masks_and_keys_come_first() -> None:
    """One pass over the nodes is enough."""
    spec = _spec(_enumeration, busy)
    for index, node in enumerate(spec["nodes"]):
        keys = [spec["tables"][node["pending"]]["key"]] if "pending" in node else []
        assert all(before < index for before in [*node["args"], *(node.get("asked") or []), *keys])


def test_only_what_can_matter_is_asked() -> None:
    """The threshold of a maximum masks its other side; evidence and p are wanted on raised rows only."""
    spec = _spec(_enumeration)
    (seen,), (usual,), (tail,) = _nodes(spec, "distinct"), _nodes(spec, "quantile"), _nodes(spec, "tail")
    (implied,) = usual["asked"]
    assert seen["asked"] is None
    assert spec["nodes"][implied]["op"] == "greater"
    assert spec["nodes"][spec["nodes"][implied]["args"][1]]["settings"] == {"value": 20.0}
    assert tail["asked"] == [spec["signals"][0]["when"]]


def test_plain_conditions_mask_state() -> None:
    """Conditions over columns are looked at before those over state, wherever they are written."""

    def say(row: Request, state: State) -> Signal:
        return Signal(when=(state.count(by=row.client, within=MINUTE) > 3) & row.login, entity=row.client, because="so")

    spec = _spec(say)
    (count,) = _nodes(spec, "count")
    assert [spec["nodes"][mask]["settings"] for mask in count["asked"]] == [{"name": "login"}]


def test_masks_never_wait_for_each_other() -> None:
    """Where two detectors would each wait for the other's answer, one of them is always asked."""

    def left(row: Request, state: State) -> Signal:
        one, two = state.count(by=row.client, within=MINUTE) > 5, state.count(by=row.path, within=MINUTE) > 5
        return Signal(when=row.login & one & two, entity=row.client, because="so")

    def right(row: Request, state: State) -> Signal:
        one, two = state.count(by=row.client, within=MINUTE) > 5, state.count(by=row.path, within=MINUTE) > 5
        return Signal(when=row.denied & two & one, entity=row.client, because="so")

    spec = _spec(left, right)
    assert len(spec["nodes"]) == len({json.dumps(node) for node in spec["nodes"]})
    assert sum(node["asked"] is None for node in _nodes(spec, "count")) == 1


def test_severity_expression_is_never_missing() -> None:
    """Where the expression has no value the detector's own severity holds."""

    def say(row: Request, state: State) -> Signal:
        return Signal(when=row.failed, severity=when(row.denied, MEDIUM, 4), entity=row.client, because="so")

    spec = _spec(say)
    chosen = spec["nodes"][spec["signals"][0]["severity"]["node"]]
    assert chosen["op"] == "when"
    assert spec["nodes"][chosen["args"][2]]["settings"] == {"value": 3.0}


def test_too_little_memory_is_refused() -> None:
    """A table that could not hold enough keys would forget attackers; the sentence says what to do."""
    message = (
        "sample_0: its table by (client, path) needs 0.2 MiB (16 keys at their largest), but 0.125 MiB over 1 tables leave 0.1 MiB. "
        "Raise detect::max_bytes, lower `limit` of distinct, or switch a detector off."
    )

    def say(row: Request, state: State) -> Signal:
        seen = state.distinct(row.method, by=(row.client, row.path), within=MINUTE, limit=2000)
        return Signal(when=seen > 3, entity=row.client, because="so")

    with pytest.raises(PlanError, match=re.escape(message).replace("client,\\ path", "(client,\\ path|path,\\ client)")):
        planned(say, memory=1 << 17)


def test_columns_needed_are_known() -> None:
    """Coverage can say which columns a detector is blind without."""
    assert planned(_enumeration).columns == {"sample_0": frozenset({"object_id", "principal", "endpoint", "succeeded"})}


def test_baseline_window_is_the_longest_below() -> None:
    """Teachers are heard once a window of the tally that they teach; whole seconds, ten minutes where there is no tally."""

    def say(row: Request, state: State) -> Signal:
        odd = state.count(by=row.client, within=timedelta(seconds=1.5))
        one = state.quantile(odd, 0.9, by=row.path, taught_by=row.client)
        two = state.quantile(row.duration, 0.9, by=row.path, taught_by=row.client)
        return Signal(when=odd > maximum(one, two), entity=row.client, because="so")

    assert sorted(node["settings"]["window"] for node in _nodes(_spec(say), "quantile")) == [2_000_000_000, 600_000_000_000]


def _enumeration(row: Request, state: State) -> Signal:
    seen = state.distinct(row.object_id, by=(row.principal, row.endpoint), where=row.succeeded, within=10 * MINUTE)
    usual = state.quantile(seen, 0.999, by=row.endpoint, taught_by=row.principal)
    return Signal(
        when=seen > maximum(20, 3 * usual),
        p=state.tail(seen, by=row.endpoint, taught_by=row.principal),
        entity=row.principal,
        evidence={"objects": (seen, usual)},
        because="{objects.observed:.0f} objects",
    )
