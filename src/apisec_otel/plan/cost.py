"""What Python in a plan costs, measured before it runs: a sentence for `validate`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from time import perf_counter
from typing import Any, cast

from apisec_otel.plan.build import Plan
from apisec_otel.plan.kernels import OUTSIDE
from apisec_otel.plan.outside import Function, Value

_ROWS = 300
_KEY = 1
_NANO = 1_000_000_000


def costs(plan: Plan) -> Iterator[str]:
    """For each function that Python answers: that it does, for how many nodes, and how long those take for a made-up row."""
    nodes = json.loads(plan.spec)["nodes"]
    found: dict[str, list[float]] = {}
    for node in nodes:
        if node["op"] in OUTSIDE:
            function = cast("Function", plan.functions[node["settings"]["function"]])
            leading = node["args"][: len(node["args"]) - len(OUTSIDE[node["op"]].operands)]
            running = function.running()
            micros = _micros(running, [nodes[arg]["kind"] for arg in leading])
            micros = _micros(running, [nodes[arg]["kind"] for arg in leading])
            found.setdefault(f"{node['op']} {running.name}", []).append(micros)
    for name, each in found.items():
        often = f" {len(each)} times" if len(each) > 1 else ""
        yield f"{name} runs Python{often} for each row: {sum(each):.1f} us a row here; native nodes run none"


def _micros(running: Any, kinds: list[str]) -> float:
    """Rows of one key, twenty a second; what the function raises on made-up values says nothing."""
    begun = perf_counter()
    for number in range(_ROWS):
        values: tuple[Value, ...] = tuple(True if kind == "logic" else (number * 7 + at) % 19 / 19 for at, kind in enumerate(kinds))
        try:
            running.row(values, _KEY, True, True, number * _NANO // 20)
        except Exception:
            continue
    return (perf_counter() - begun) / _ROWS * 1e6
