"""Whether scenarios hold a detector tightly: each small change to it must be seen by one of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import reduce
from typing import Any

from pydantic import TypeAdapter, ValidationError

from apisec_otel.plan.build import Plan, finish
from apisec_otel.plan.demand import conjuncts
from apisec_otel.plan.draft import Chosen, draft
from apisec_otel.plan.node import PlanError
from apisec_otel.testing.scenarios import Outcome, Scenario, chosen_of, config_of, detector_of, plan_with

Runner = Callable[[Scenario, Plan], Outcome]


def changes(detector: Any, custom: Mapping[str, str] | None = None) -> list[str]:
    """Every change that must be seen: each setting halved and doubled within its bounds, each conjunct of each `when` dropped.

    Of settings that are no quantity none is made. `custom` has the kinds of configured columns.
    """
    graph, drafts = draft([Chosen(id=type(detector).__name__, detector=detector)], custom=custom)
    quantities = [name for name, value in dataclasses.asdict(detector).items() if _is_quantity(value)]
    settings = [f"{name} {change}" for name in quantities for change in ("halved", "doubled")]
    parts = [(index, part) for index, one in enumerate(drafts) if one.when is not None for part in range(len(conjuncts(graph, one.when)))]
    return settings + [f"signal {index} without conjunct {part}" for index, part in parts]


def _is_quantity(value: object) -> bool:
    return isinstance(value, int | float | timedelta) and not isinstance(value, bool)


def seen(change: str, scenarios: Sequence[Scenario], run: Runner) -> bool:
    """Whether some scenario comes out differently under the change; one that the settings' bounds refuse cannot be made."""
    plans = [(scenario, _changed(change, scenario)) for scenario in scenarios]
    if all(plan is None for _, plan in plans):
        return True
    return any(plan is not None and run(scenario, plan) != scenario.expected() for scenario, plan in plans)


def _changed(change: str, scenario: Scenario) -> Plan | None:
    if change.startswith("signal "):
        _, signal, _, _, part = change.split()
        return _without(scenario, int(signal), int(part))
    field, _, how = change.rpartition(" ")
    return _scaled(scenario, field, 0.5 if how == "halved" else 2.0)


def _scaled(scenario: Scenario, field: str, factor: float) -> Plan | None:
    detector: Any = detector_of(scenario)
    value = getattr(detector, field)
    scaled = value * factor if isinstance(value, float | timedelta) else int(value * factor)
    try:
        changed = TypeAdapter(type(detector)).validate_python({**dataclasses.asdict(detector), field: scaled})
        return plan_with(scenario, changed)
    except (ValidationError, PlanError):
        return None


def _without(scenario: Scenario, signal: int, part: int) -> Plan:
    graph, drafts = draft([chosen_of(scenario)], custom=config_of(scenario).custom_columns())
    when = drafts[signal].when
    left = [condition for index, condition in enumerate(conjuncts(graph, when)) if index != part] if when is not None else []
    joined = reduce(lambda a, b: graph.add("and", (a, b), kind="logic"), left) if left else graph.always()
    return finish(graph, [dataclasses.replace(one, when=joined) if index == signal else one for index, one in enumerate(drafts)])
