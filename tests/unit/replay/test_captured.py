"""Every captured file replays without an error, and is understood as so many requests, sessions and endpoints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apisec_otel.cli.options import packaged
from apisec_otel.cli.replay import replay
from apisec_otel.cli.replay_engine import engine_of
from apisec_otel.config import read

HERE, TESTS = Path(__file__).parent / "data", Path(__file__).parents[2] / "data"
COUNTS: dict[str, tuple[int, int, int]] = {
    # file: requests (its distinct SERVER spans), sessions, endpoints
    "dvrestaurant_default": (11, 3, 8),
    "dvrestaurant_newhttp": (11, 3, 8),
    "vampi_attack_arjun": (107, 1, 1),
    "vampi_attack_sqlmap": (81, 1, 2),
    "vampi_attack_wapiti": (2, 1, 1),
    "vampi_benign_newman": (43, 5, 14),
    "vampi_default": (10, 2, 8),
    "vampi_dup": (10, 2, 8),
    "vampi_newhttp": (10, 2, 8),
    "vampi_newhttp_headers": (10, 4, 8),
    "vampi_startup": (2, 1, 2),
    "chain": (16, 6, 8),
    "django": (13, 5, 7),
    "django_stable": (13, 5, 7),
    "express": (13, 4, 7),
    "fastapi": (13, 5, 7),
    "fastapi_stable": (13, 5, 7),
    "fastify": (13, 4, 7),
    "flask": (13, 5, 7),
    "flask_stable": (13, 5, 7),
    # No route in these spans: two names of users are too few to learn a template from, and a refused first login is unmatched.
    "go_http": (13, 4, 9),
    "grpc": (11, 4, 6),
    # otelgrpc tells nothing of callers: no session.
    "go_grpc": (11, 0, 6),
    "java": (13, 5, 7),
    "gateway": (13, 5, 7),
    "gateway_chain": (16, 6, 8),
}
FILES = sorted((*HERE.glob("*.jsonl.gz"), *TESTS.glob("**/*.jsonl.gz")))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_captured_file_replays(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = replay(engine_of(read([str(packaged("replay"))], ())), [str(file)], form="json", learn=(), out=None, fail_on=None)
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    told = lines[-1]
    endpoints = {line["endpoint"] for line in lines if line["type"] == "request"}
    assert (code, told["decode_errors"], told["evicted"]) == (0, 0, 0)
    assert (told["requests"], told["sessions"], len(endpoints)) == COUNTS[file.name.partition(".")[0]]
