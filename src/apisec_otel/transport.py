"""What the service asks of the side that holds the sockets; `_native` gives it for real, tests give their own."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from apisec_otel.component import Exporter
from apisec_otel.loops import Loops
from apisec_otel.pipeline import Sink, Source

Counted = tuple[str, Mapping[str, str], float]
"""A self-metric: name, labels, value."""


class Transport(Protocol):
    """Receivers and exporters of one configuration."""

    def start(self) -> None:
        """Opens the receivers; raises ComponentError when an address is taken."""
        ...

    def source(self, is_hurried: Callable[[], bool] = lambda: False) -> Source:
        """What the receivers take, for the engine; ends once drained. While hurried, empty turns follow each other at once."""
        ...

    def sink(self, exporter: str, loops: Loops) -> Sink:
        """The exporter that answers the senders; `loops` is told what it delivers, and says what it withholds."""
        ...

    def exporter(self, exporter: str) -> Exporter:
        """The same exporter for what is made here: findings."""
        ...

    def in_flight(self) -> int:
        """Bytes received and not yet answered."""
        ...

    def counted(self) -> Iterable[Counted]:
        """Its self-metrics."""
        ...

    def stop(self, seconds: float) -> None:
        """Takes nothing new and lets what is in flight be answered for at most that long; then `source` ends."""
        ...

    def close(self) -> None:
        """Lets go of everything; exporters work until now, for what is made here."""
        ...
