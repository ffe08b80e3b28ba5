"""Sessions in the forms of others: HAR for browsers and proxies, curl for a shell."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from apisec_otel.cli.behind import MARK, Behind, credentials, shown, url_of
from apisec_otel.cli.judged import rfc3339
from apisec_otel.cli.timeline import Entry

Known = Mapping[tuple[str, str], Behind]
"""What is known of each request, by trace and span id."""


def har(entries: Sequence[Entry], known: Known, version: str) -> str:
    """HTTP Archive 1.2: a request each, of which sizes and bodies are not known (-1)."""
    told = [_har_entry(entry, known.get((entry.trace_id, entry.span_id), Behind())) for entry in entries]
    log = {"version": "1.2", "creator": {"name": "apisec-otel", "version": version}, "entries": told}
    return json.dumps({"log": log}, indent=1, ensure_ascii=False) + "\n"


def _har_entry(entry: Entry, behind: Behind) -> dict[str, Any]:
    said, milliseconds = behind.attributes, 1000 * (entry.duration or 0)
    url = url_of(said)
    headers = [{"name": name, "value": shown(value)} for name, value in _headers(entry, said).items()]
    return {
        "startedDateTime": rfc3339(entry.start)[:23] + "Z",
        "time": milliseconds,
        "request": {
            "method": _method(entry, said),
            "url": shown(str(url)),
            "httpVersion": _version(said),
            "cookies": [],
            "headers": headers,
            "queryString": [{"name": name, "value": value} for name, value in parse_qsl(shown(url.query), keep_blank_values=True)],
            "headersSize": -1,
            "bodySize": -1,
        },
        "response": {
            "status": entry.status,
            "statusText": "",
            "httpVersion": _version(said),
            "cookies": [],
            "headers": [],
            "content": {"size": _size(said), "mimeType": ""},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": _size(said),
        },
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
        "comment": f"trace {entry.trace_id} span {entry.span_id} {entry.endpoint}",
    }


def curl(entries: Sequence[Entry], known: Known) -> list[str]:
    """A command each, with its secrets as shell variables; what was sent in bodies is not known."""
    return [_curl(entry, known.get((entry.trace_id, entry.span_id), Behind())) for entry in entries]


def _curl(entry: Entry, behind: Behind) -> str:
    said = behind.attributes
    words = ["curl -sS -o /dev/null -w '%{http_code}\\n' -X", shlex.quote(_method(entry, said))]
    for name, value in _headers(entry, said).items():
        words += ["-H", _quoted(f"{name}: {value}")]
    return " ".join([*words, _quoted(str(url_of(said)))]) + f"  # {rfc3339(entry.start)[:19]}Z {entry.status or '?'}"


def _quoted(text: str) -> str:
    """One word of a shell: nothing that a caller wrote means anything there, variables alone do."""
    parts = text.split(MARK)
    words = (f'"${part}"' if at % 2 else shlex.quote(part) if part else "" for at, part in enumerate(parts))
    return "".join(words)


def _headers(entry: Entry, said: Mapping[str, str]) -> dict[str, str]:
    agent = said.get("user_agent.original") or said.get("http.user_agent") or ""
    return credentials(said, entry.principal != 0) | ({"user-agent": agent} if agent else {})


def _method(entry: Entry, said: Mapping[str, str]) -> str:
    known = said.get("http.request.method") or said.get("http.method") or ""
    return known if known.isalpha() else next((word for word in entry.endpoint.split() if word.isupper()), "GET")


def _version(said: Mapping[str, str]) -> str:
    version = said.get("network.protocol.version") or said.get("http.flavor") or ""
    return f"HTTP/{version}" if version else ""


def _size(said: Mapping[str, str]) -> int:
    size = said.get("http.response.body.size") or said.get("http.response_content_length") or ""
    return int(size) if size.isdigit() else -1
