"""What exporters with a queue of their own hear beside the others: a backend that is down must not keep a page from its reader."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence

from apisec_otel.component import Exporter, Queues, Signal
from apisec_otel.connectors.outbox import Outbox

log = logging.getLogger(__name__)


class Lane:
    """Hands requests, from a thread of its own, to those of the exporters that keep a queue; at most `limit` bytes wait for that."""

    def __init__(self, outputs: Mapping[Signal, Sequence[Exporter]], limit: int) -> None:
        found = {signal: [each for each in exporters if isinstance(each, Queues)] for signal, exporters in outputs.items()}
        self._outputs = {signal: exporters for signal, exporters in found.items() if exporters}
        self._outbox = Outbox(limit)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def offer(self, signal: Signal, request: bytes) -> bool:
        """Takes a request for later; False when there is no room for it."""
        return signal not in self._outputs or self._outbox.offer(signal, request)

    def flush(self) -> None:
        """Hands over what waits."""
        while (first := self._outbox.first()) is not None:
            self._hand(*first)

    def start(self) -> None:
        """Hands over from now on, when there is anybody to hand to."""
        if self._outputs:
            self._thread = threading.Thread(target=self._run, name="findings to queues", daemon=True)
            self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Hands over what still waits, and ends."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout)
        else:
            self.flush()

    def _run(self) -> None:
        while not (self._stopping.is_set() and not len(self._outbox)):
            if (first := self._outbox.first(timeout=0.2)) is not None:
                self._hand(*first)

    def _hand(self, signal: Signal, request: bytes) -> None:
        for exporter in self._outputs.get(signal, ()):
            try:
                reply = exporter.export(signal, [request])
                refused = "" if reply.accepted else reply.message
            except Exception as error:
                refused = f"{type(error).__name__}: {error}"
            if refused:
                log.warning("findings: %s does not take our %s: %s", type(exporter).__name__, signal, refused)
        self._outbox.done()
