"""The processors as the service builds them, fed with bytes, and a detector that tells what it has counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from tests.otlp import SECOND, START, call, request
from tests.unit.service.fakes import FakeTransport

from apisec_otel import _native
from apisec_otel.api import Request, Severity, Signal, State
from apisec_otel.assembly import Assembler, Assembly, native_rows
from apisec_otel.cli.options import packaged
from apisec_otel.clock import ManualClock
from apisec_otel.component import EndpointNames, Host, Remembers
from apisec_otel.config import read
from apisec_otel.findings.finding import Finding
from apisec_otel.snapshots.frames import Frame
from apisec_otel.snapshots.parts import copied, given
from apisec_otel.spans.batch import SpanBatch

SECRET = bytes(range(16))
TALLY = f"{__name__}:Tally"


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Raises on every request that failed with 418, and says how many requests of its user were counted."""

    owasp: ClassVar[str] = "API0:2023"
    severity: ClassVar[Severity] = "info"

    window: timedelta = timedelta(hours=1)
    """Counted over this long."""

    def signals(self, row: Request, state: State) -> Iterator[Signal]:
        counted = state.count(by=row.principal, within=self.window)
        yield Signal(when=row.status == 418, entity=row.principal, evidence={"counted": counted}, because="{counted.observed:.0f} counted")


class Chain:
    """Everything between receiver and exporter, in one process's life."""

    def __init__(self, *settings: str, secret: bytes = SECRET, sources: Sequence[str] = ()) -> None:
        self.clock = ManualClock(at=START)
        self.names = EndpointNames()
        assembler = Assembler(
            host=Host(clock=self.clock, received=self.clock.now, endpoint_names=self.names),
            make_transport=lambda config, words: FakeTransport(config, words),
            made_secret=secret,
        )
        self.config = read([str(packaged("default")), *sources], list(settings))
        self.assembly: Assembly = assembler.assemble(self.config)

    def take(self, *requests: bytes, at: float = 0) -> SpanBatch:
        """One turn of the engine, `at` seconds after START."""
        self.clock.at = START + round(at * SECOND)
        batch = SpanBatch(_native.decode(list(requests), self.assembly.native))
        for each in self.assembly.processors.values():
            each.process(batch)
        for each in self.assembly.processors.values():
            if isinstance(each, Remembers):
                each.remember(batch)
        return batch

    def endpoint(self, batch: SpanBatch) -> str:
        """The name of its first row's endpoint."""
        return self.names.name(int(native_rows()(batch.native)["endpoint"][0]))

    def counted(self, user: str, number: int, at: float) -> int:
        """How many requests of a user were counted, this one left out."""
        (finding,) = [
            each for each in self.take(request(call(number, user=user, status=418, at=at)), at=at).findings if each.detector == "tally"
        ]
        return round(finding.evidence["counted"][0]) - 1

    def saved(self) -> list[Frame]:
        """Its state, copied in one go."""
        return list(copied(self.assembly.parts()))

    def give(self, frames: Iterable[Frame]) -> list[str]:
        """Gives it the state of another; answers what begins without memory."""
        return given(self.assembly.parts(), frames)


def told(findings: Iterable[Finding]) -> list[Any]:
    """Findings in what people see of them."""
    return [
        (each.id, each.detector, each.reason, each.suppressed, round(each.risk, 6), each.session, each.endpoint_name) for each in findings
    ]
