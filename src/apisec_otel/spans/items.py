"""How a request is taken apart into what it says: which attributes tell it, and what in a text reads as syntax."""

from __future__ import annotations

import json
from typing import Final

from apisec_otel import semconv
from apisec_otel.spans.syntax import syntax_json

ATTRIBUTES: Final[dict[str, object]] = {
    "read": [[prefix, "header"] for prefix in semconv.REQUEST_PREFIXES] + [[key, how] for key, how in semconv.SENT],
    "passed": list(semconv.CREDENTIAL_HEADERS),
    "cookies": semconv.COOKIES,
}
"""Beginnings of keys and how they are read; headers that are no items, for they are secrets; the one that holds cookies."""


def splitting_json() -> str:
    """What native code takes to split requests."""
    return json.dumps({"syntax": syntax_json(), "attributes": ATTRIBUTES})
