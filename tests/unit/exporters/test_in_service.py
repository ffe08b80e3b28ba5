"""Pagers in a service: built and started with it, named in its health when they cannot send, secret in what it prints."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.exporters.conftest import START, Receiver, told
from tests.unit.service.fakes import FakeTransport

from apisec_otel.config import Config, read
from apisec_otel.config.packaged import packaged
from apisec_otel.config.show import show
from apisec_otel.errors import ConfigError
from apisec_otel.service import Service

SECRETS = {"url": "https://hooks.example.org/s3cret", "secret": "s3cret", "headers": {"X-Key": "s3cret"}}


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def configured(folder: Path, **exporters: Any) -> Config:
    more = {
        "exporters": exporters,
        "extensions": {"file_storage": {"directory": str(folder / "state")}, "health_check": {"endpoint": "localhost:0"}},
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {"logs/findings": {"receivers": ["findings"], "exporters": ["otlp_http", *exporters]}},
        },
    }
    file = folder / "more.yaml"
    file.write_text(yaml.safe_dump(more))
    return read([packaged(), str(file)], environment={})


def test_health_names_a_pager_that_cannot_send_until_it_can(receiver: Receiver, tmp_path: Path) -> None:
    receiver.answers.append((500, {}))
    config = configured(tmp_path, alertmanager={"endpoints": [receiver.url]})
    service = Service(load=lambda: config, make_transport=FakeTransport)
    service.start()
    try:
        assert service._now
        (pager,) = (part for each, part in service._now.exporters.items() if each.id.type == "alertmanager")
        pager.export("logs", [told(at=(time.time_ns() - START) / 1e9)])
        until(lambda: service.health().degraded == {"alertmanager": "it answered 500 Internal Server Error"})
        until(lambda: not service.health().degraded)
    finally:
        service.stop()
        logging.getLogger("apisec_otel").propagate = True
    assert len(receiver.bodies) > 1


@pytest.mark.parametrize(
    "settings", [SECRETS, {"preset": "pagerduty", "routing_key": "s3cret"}, {"preset": "slack", "url": "https://hooks.example.org/s3cret"}]
)
def test_secrets_are_not_printed(tmp_path: Path, settings: dict[str, Any]) -> None:
    printed = show(configured(tmp_path, webhook=settings, alertmanager={"headers": {"Authorization": "s3cret"}}))
    assert "s3cret" not in printed and "[REDACTED]" in printed


@pytest.mark.parametrize("settings", [{**SECRETS, "queue": 0}, {**SECRETS, "url": "https://x/s3cret no"}, {"url": "s3cret"}])
def test_secrets_are_not_told_by_errors(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as raised:
        configured(tmp_path, webhook=settings)
    assert "exporters::webhook" in str(raised.value) and "s3cret" not in str(raised.value)
