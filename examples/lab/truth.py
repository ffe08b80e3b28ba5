"""The truth beside the spans: a line of JSON for each request from outside, whoever sent it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TypedDict

from examples.lab.calls import Call


class Truth(TypedDict):
    """One line, as it is read."""

    time: int
    """Start of the request, ns since the epoch."""
    trace_id: str
    span_id: str
    """Of the span of the service that answers."""
    environment: str
    session: str
    principal: str
    kind: str
    """What the caller is: shopper, partner, support, crawler, noise (background scanners), attacker, ..."""
    attack: str | None
    """Id in the catalogue; null of honest requests."""
    strength: str | None
    campaign: str | None
    step: int
    """Which request of the campaign, from 1; 0 of honest requests."""
    visible: bool
    """What makes it an attack stands in its spans."""


@lru_cache(maxsize=65_536)
def _quoted(text: str) -> str:
    return json.dumps(text)


def line(place: str, start: int, trace: bytes, span: bytes, call: Call) -> str:
    """The line of a request."""
    caller, mark = call.caller, call.mark
    who = f'"session":{_quoted(caller.session)},"principal":{_quoted(caller.label)},"kind":"{caller.kind}"'
    what = '"attack":null,"strength":null,"campaign":null,"step":0,"visible":false'
    if mark is not None:
        visible = "true" if mark.visible else "false"
        what = f'"attack":"{mark.attack}","strength":"{mark.strength}","campaign":"{mark.campaign}","step":{mark.step},"visible":{visible}'
    return f'{{"time":{start},"trace_id":"{trace.hex()}","span_id":"{span.hex()}","environment":"{place}",{who},{what}}}\n'


def read(path: Path) -> Iterator[Truth]:
    """The lines of a file."""
    with path.open(encoding="utf-8") as file:
        for each in file:
            yield json.loads(each)
