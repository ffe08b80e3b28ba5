"""Spans as they leave: each pod hands its own over every five seconds, a Collector sends on what came in as one request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from examples.lab.calls import Call
from examples.lab.flows import Service
from examples.lab.servers import STACKS
from examples.lab.wire import ID_BYTES, TRACE_BYTES, exported, head, resource, text, timed, varint

SECOND: Final = 10**9
FLUSHED_EVERY: Final = 5 * SECOND
PODS: Final = 2

SDKS: Final = {
    "cpp": ("envoy", "1.40.0"),
    "nodejs": ("opentelemetry", "2.12.0"),
    "java": ("opentelemetry", "1.65.0"),
    "python": ("opentelemetry", "1.45.1"),
    "go": ("opentelemetry", "1.43.0"),
}
Stream = tuple[int, int, int]
"""Service, pod and release."""


class Exporter:
    """Takes requests of one place in order of time, and gives its export requests in order of time."""

    def __init__(self, place: str, services: Sequence[Service], seed: str) -> None:
        self._place, self._services = place, services
        chance = Random(f"{seed}/{place}/pods")
        self._phases = [[chance.randrange(FLUSHED_EVERY) for _ in range(PODS)] for _ in services]
        self._resources: dict[Stream, bytes] = {}
        self._slots: dict[int, dict[Stream, dict[bytes, list[bytes]]]] = {}
        self.releases = [[1] * PODS for _ in services]
        """Of each service's pods; a deploy raises it."""
        self.spans = 0
        """Spans taken so far."""

    def add(self, at: int, call: Call, pods: int, chance: Random) -> tuple[bytes, bytes]:
        """Takes a request that begins at a time (ns); `pods` has a bit for each service.

        Answers the trace's id and that of the answering service's span.
        """
        parts = call.flow.parts
        ids = chance.randbytes(TRACE_BYTES + ID_BYTES * len(parts))
        trace = ids[:TRACE_BYTES]
        spans = [ids[place : place + ID_BYTES] for place in range(TRACE_BYTES, len(ids), ID_BYTES)]
        lasts = int(call.took * SECOND)
        self.spans += len(parts)
        for number in range(len(parts) - 1, -1, -1):
            part = parts[number]
            start, end = at + int(lasts * part.begins), at + int(lasts * part.ends)
            made = head(trace, spans[number], spans[part.above] if part.above >= 0 else b"", start, end) + part.rest
            if part.vary is not None:
                made += part.vary(call, trace)
            for key, gap in part.gaps:
                made += text(key, gap.replace("{n}", call.thing).replace("{user}", call.caller.user).replace("{}", call.fill))
            for share, content in part.events:
                made += timed(content, start + int((end - start) * share))
            pod = pods >> part.service & 1
            slot = (end + self._phases[part.service][pod]) // FLUSHED_EVERY
            stream = (part.service, pod, self.releases[part.service][pod])
            # What is said thrice (setdefault) would be said a million times a day.
            streams = self._slots.get(slot)
            if streams is None:
                streams = self._slots[slot] = {}
            scopes = streams.get(stream)
            if scopes is None:
                scopes = streams[stream] = {}
            held = scopes.get(part.scope)
            if held is None:
                held = scopes[part.scope] = []
            held.append(b"\x12%b%b" % (varint(len(made)), made))
        return trace, spans[call.flow.entry]

    def flush(self, until: int | None) -> Iterator[tuple[int, bytes]]:
        """Export requests that are complete when no request begins before a time (ns) any more, or all.

        Each comes after the number of its slot.
        """
        last = max(self._slots, default=0) if until is None else until // FLUSHED_EVERY - 1
        for slot in sorted(each for each in self._slots if each <= last):
            streams = self._slots.pop(slot)
            yield (
                slot,
                exported(
                    (self._resource(stream), [(scope, b"".join(spans)) for scope, spans in scopes.items()])
                    for stream, scopes in sorted(streams.items())
                ),
            )

    def _resource(self, stream: Stream) -> bytes:
        made = self._resources.get(stream)
        if made is None:
            made = self._resources[stream] = resource(self._told(*stream))
        return made

    def _told(self, number: int, pod: int, release: int) -> dict[str, str]:
        service = self._services[number]
        language = STACKS[service.stack].language
        sdk, version = SDKS[language]
        return {
            "service.name": service.name,
            "service.version": f"1.{release}.0",
            "service.instance.id": f"{service.name}-{release}-{pod}",
            "deployment.environment.name": self._place,
            "telemetry.sdk.name": sdk,
            "telemetry.sdk.language": language,
            "telemetry.sdk.version": version,
        }
