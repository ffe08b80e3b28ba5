"""The processors of a configuration as the service builds them, on the spans' own time, without service and sockets."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from apisec_otel.assembly import build, meanings_of, native_rows, native_vocabulary, rules_of, vocabulary_of
from apisec_otel.clock import ManualClock
from apisec_otel.component import Host, Keeps, Processor, Remembers
from apisec_otel.config import Config
from apisec_otel.findings.finding import Rule
from apisec_otel.spans.batch import SpanBatch
from apisec_otel.telemetry import Telemetry

KEY = b"apisec-otel/test"
"""What ids are made with where no secret is configured."""


class Built:
    """One process's life: requests in, batches out, with what the processors left on them."""

    def __init__(self, config: Config) -> None:
        self._words = native_vocabulary(vocabulary_of(config, KEY))
        self._decode = import_module("apisec_otel._native").decode
        self.keyed_hash = self._words.hash
        self.view = native_rows()
        rules, custom = rules_of(config), config.custom_columns()
        self.rules = {id: Rule.of(id, settings) for id, settings in rules.items()}
        host = Host(
            clock=ManualClock(), telemetry=Telemetry(), vocabulary=self._words, view=self.view, rules=rules, custom=custom,
            meanings=meanings_of(config),
        )  # fmt: skip
        line = next(each for each in config.pipelines if each.id.type == "traces")
        self.processors: dict[str, Processor] = {str(each.id): build(each, host) for each in line.processors}

    def batch(self, *requests: bytes) -> SpanBatch:
        """Requests that came together, decoded."""
        return SpanBatch(self._decode(list(requests), self._words))

    def take(self, *requests: bytes) -> SpanBatch:
        """Requests that came together, through all processors."""
        return self.run(self.batch(*requests))

    def end(self) -> SpanBatch:
        """Nothing comes any more: what was held is judged."""
        batch = self.batch()
        batch.over = True
        return self.run(batch)

    def run(self, batch: SpanBatch) -> SpanBatch:
        """One turn of the engine."""
        for each in self.processors.values():
            each.process(batch)
        for each in self.processors.values():
            if isinstance(each, Remembers):
                each.remember(batch)
        return batch

    def parts(self) -> dict[str, Any]:
        """What has state to keep, against the stream, as the service saves it."""
        return {id: each for id, each in reversed(self.processors.items()) if isinstance(each, Keeps)}
