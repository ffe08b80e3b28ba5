"""conduct: how a session goes about its requests, beside how other sessions of the service do."""

from __future__ import annotations

from typing import Final

from apisec_otel.plan.column import Number
from apisec_otel.plan.kernel import DAY, Kernel, Memory, ask
from apisec_otel.plan.node import PlanError
from apisec_otel.plan.rows import Step
from apisec_otel.plan.words import listed

FEATURES: Final = ("pace", "nopause", "flat", "narrow", "reread", "jump", "again", "noback", "fresh", "bare", "fail", "unknown")
"""What a session is measured by; larger is more machine-like."""
CHANNELS: Final = ("rhythm", "restless", "unloaded", "probe", "fuzz")
"""Where evidence comes from."""
PARTS: Final = frozenset(
    {"score", "evidence", "pages"}
    | {f"{kind}.{feature}" for kind in ("deviation", "mean", "usual") for feature in FEATURES}
    | {f"{kind}.{channel}" for kind in ("best", "hits", "trials", "null") for channel in CHANNELS}
)
"""Every answer."""

_HOUR = DAY // 24 // DAY.resolution * 1_000
_POPULATION = 79
_BROKEN = 500
"""From here on the server failed, and nobody was refused."""

CONDUCT = Kernel(
    name="conduct",
    family="conduct",
    operands=(
        *((name, "id") for name in ("path", "parent", "stem", "shape", "endpoint", "among")),
        *((name, "logic") for name in ("refused", "asset", "automatic", "nested")),
        *(("by", "id"), ("taught_by", "id"), ("where", "logic")),
    ),
    spared=frozenset({"path", "parent", "stem", "shape", "among", "refused", "asset", "automatic", "nested", "taught_by"}),
    cells=37,
    expiry=lambda settings: _HOUR,
    of_row=True,
    ordered=True,
)
USUAL = Kernel(
    name="conduct_usual",
    family="conduct",
    operands=(("by", "id"),),
    cells=6,
    spill=lambda settings: _POPULATION,
    expiry=lambda settings: 7 * 24 * _HOUR,
)
"""What is learned of endpoints and populations, by endpoint."""


def conduct(memory: Memory, part: str, row: Step) -> Number:
    """One answer about the row's session as of the row: `score`, `evidence`, `pages`, or a feature's or channel's part.

    `score` sums, over groups of features, how many deviations a session lies on the machine-like side of the sessions of its
    service: near 0 for people, over 1 for most machines, from the third page on. `evidence` is the natural logarithm of a
    mean of likelihood ratios: p is its negative's exponential. `deviation.pace`, `mean.pace` and `usual.pace` are a feature's;
    `best.probe`, `hits.probe`, `trials.probe` and `null.probe` a channel's. A page is what opens something: which endpoints
    do is learned from the silences before their first visit. Each session teaches once, after five minutes of silence, unless
    its actor is flagged. 296 bytes a session.

    >>> state.conduct("score", row)  # doctest: +SKIP
    """
    if part not in PARTS:
        raise PlanError(f"conduct: {part!r} is no answer; there is {listed(sorted(PARTS))}.")
    ids = {"path": row.path, "parent": row.path_parent, "stem": row.path_stem, "shape": row.query_shape, "endpoint": row.endpoint}
    flags = {"asset": row.asset, "automatic": row.automatic, "nested": row.nested, "refused": row.failed & (row.status < _BROKEN)}
    who = {"by": row.session, "among": row.service, "taught_by": row.actor, "where": None}
    return ask(memory, CONDUCT, {**ids, **flags, **who}, part=part)
