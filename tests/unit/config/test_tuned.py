"""Overrides and allowed callers as users type them, and what they hear when it is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apisec_otel.config import Config, read
from apisec_otel.config.schema import settings_schema
from apisec_otel.config.show import show
from apisec_otel.errors import ConfigError
from apisec_otel.processors.decide import DecideSettings

GOOD = """processors:
  detect:
    detectors:
      odd_sizes: {river: anomaly.HalfSpaceTrees, features: {size: response_size}}
  decide:
    overrides:
      - {detectors: odd_sizes, service: shop, q: 1e-6, reason: "big exports"}
      - detectors: [bola_enumeration, bola_walk]
        endpoint: shop GET /orders/{id}
        mode: shadow
    allow:
      - {client: [192.0.2.0/24, "2001:db8::/32"], detectors: scan_probing, reason: our scanner, until: 2027-01-31}
      - {principal: 0123456789012345, reason: the export job}
"""


@pytest.fixture
def written(tmp_path: Path) -> Any:
    def from_text(text: str) -> Config:
        file = tmp_path / "c.yaml"
        file.write_text(text)
        return read(["packaged:replay", file])

    return from_text


def decide_of(config: Config) -> DecideSettings:
    found: DecideSettings = next(each.settings for each in config.used() if str(each.id) == "decide")
    return found


def told(written: Any, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        written(text)
    return [line.rpartition("/c.yaml:")[2] for line in str(caught.value).splitlines()]


def test_one_text_stands_for_a_list_of_one_and_digits_stay_as_written(written: Any) -> None:
    decide = decide_of(written(GOOD))
    assert decide.overrides[0].service == ("shop",)
    assert decide.overrides[1].detectors == ("bola_enumeration", "bola_walk")
    assert decide.allow[1].principal == ("0123456789012345",)
    assert (decide.allow[0].until or decide).isoformat() == "2027-01-31"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "bola_walk]",
            "bola_wlak]",
            "8: processors::decide::overrides::1::detectors: unknown detector 'bola_wlak'; did you",
        ),
        (
            "scan_probing",
            "scan_prob",
            "12: processors::decide::allow::0::detectors: unknown detector 'scan_prob'; did you",
        ),
        ("q: 1e-6", "q: 1e-3", "7: processors::decide::overrides::0::q: 0.001 is above the q of odd_sizes, which is 0.0001"),
        ("detectors: odd_sizes", "detectors: session_conduct", "7: processors::decide::overrides::0::q: session_conduct has no p-value"),
        ("detectors: odd_sizes, service: shop, q: 1e-6", "q: 0.01", "7: processors::decide::overrides::0::q: 0.01 is above the q of every"),
        (
            "mode: shadow",
            "mode: quiet",
            "10: processors::decide::overrides::1::mode: input should be 'alert', 'shadow' or 'off'",
        ),
        ("mode: shadow", "mod: shadow", "10: processors::decide::overrides::1::mod: unknown key; did you mean mode?"),
        ("until: 2027-01-31", "until: soon", "12: processors::decide::allow::0::until: input should be a valid date"),
        (", reason: the export job", "", "13: processors::decide::allow::1::reason: field required"),
        ("192.0.2.0/24", "192.0.2.0/33", "12: processors::decide::allow::0: client: '192.0.2.0/33' is no address and no network"),
        ("service: shop", "service:", "7: processors::decide::overrides::0::service: is empty, which means nobody"),
        ('[192.0.2.0/24, "2001:db8::/32"]', "[]", "12: processors::decide::allow::0::client: is empty, which means nobody"),
        ("shop GET /orders/{id}", "/orders/{id}", "8: processors::decide::overrides::1: endpoint: '/orders/{id}' is none"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_its_way_out(written: Any, old: str, new: str, said: str) -> None:
    assert old in GOOD
    lines = told(written, GOOD.replace(old, new, 1))
    assert len(lines) == 1
    assert lines[0].startswith(said)


def test_what_holds_for_ever_and_what_anybody_can_send_is_noted(written: Any) -> None:
    text = GOOD.replace("principal: 0123456789012345", "user_agent: '*Detectify*'")
    notes = [note for note in written(text).notes if "allow" in note]
    assert notes == [
        "processors::decide: allow::1: has no `until`, so it holds for ever: the export job",
        "processors::decide: allow::1: goes by the user agent, which anybody can send; name the client's network too",
    ]


def test_what_is_shown_means_the_same(written: Any, tmp_path: Path) -> None:
    config = written(GOOD)
    again = tmp_path / "again.yaml"
    again.write_text(show(config))
    assert decide_of(read([again])) == decide_of(config)


def test_editors_are_told_that_one_text_may_stand_alone() -> None:
    schema = settings_schema(DecideSettings)
    assert "_marked" not in schema["properties"]
    client = schema["$defs"]["Allow"]["properties"]["client"]
    assert {"string", "array"} <= {kind for each in client["anyOf"] for kind in each["type"]}
