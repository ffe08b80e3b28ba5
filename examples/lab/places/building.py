"""Operations of a place from a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from examples.lab.flows import Operation, Service
from examples.lab.spans import Piece

VARIABLE: Final = re.compile(r"\{(\w+)\}")
Row = tuple[str, Service, float, int, tuple[Piece, ...]]
"""`METHOD /route`, who answers, seconds, bytes, what is done."""


def operations(rows: Iterable[Row], front: Service, public: Iterable[str]) -> Mapping[str, Operation]:
    """The operations of a table by `METHOD /route`, and one for each method that no route matches; `public` ones ask for no credential."""
    made: dict[str, Operation] = {}
    for number, (name, service, took, size, inner) in enumerate(rows):
        method, _, route = name.partition(" ")
        spelled = VARIABLE.sub(r":\1", route) if service.stack == "node" else route
        made[name] = Operation(method, spelled, service, inner, took, size, name in public, number, VARIABLE.sub("%s", route))
    for number, method in enumerate(("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE")):
        made[f"{method} *"] = Operation(method, "", front, (), 0.004, 140, True, 900 + number, "")
    return made
