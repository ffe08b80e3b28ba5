"""Pagers in a service: built and started with it, named in its health when they cannot send, secret in what it prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.exporters.conftest import Receiver, told
from tests.unit.service.fakes import FakeTransport

from apisec_otel.config import Config, read
from apisec_otel.config.packaged import packaged
from apisec_otel.config.show import show
from apisec_otel.errors import ConfigError
from apisec_otel.service import Service

SECRETS = {"url": "https://hooks.example.org/s3cret", "secret": "s3cret", "headers": {"X-Key": "s3cret"}}


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
    assert service._now
    (pager,) = (part for each, part in service._now.exporters.items() if each.id.type == "alertmanager")
    pager.export("logs", [told()])
    pager.turn()
    assert service.health().degraded == {"alertmanager": "it answered 500 Internal Server Error"}
    pager.export("logs", [told(state="closed", at=1)])
    pager._peers[0].backoff.wait(0)
    pager.turn()
    assert not service.health().degraded
    service.stop()


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
