"""The native transport's face: settings that are refused, handles, counters. Traffic is in tests/e2e/test_transport.py."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from apisec_otel import _native, semconv

PORT = {"endpoint": "127.0.0.1:0"}


@pytest.fixture
def io() -> Iterator[Any]:
    """An I/O thread."""
    made = _native.Io("{}", _native.Vocabulary(semconv.vocabulary_json(), bytes(16)))
    yield made
    made.close()


def exporter(io: Any, **settings: object) -> Any:
    """An exporter to nowhere."""
    return io.exporter(json.dumps({"name": "otlp", "kind": "otlp_grpc", "endpoint": "127.0.0.1:1", "tls": {"insecure": True}} | settings))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "otlp"}, "unknown variant"),
        ({"compression": "brotli"}, "gzip, zstd, snappy"),
        ({"endpoint": "http://"}, "endpoint"),
        ({"endpoint": ""}, "endpoint"),
        ({"headers": {"no name": "x"}}, "no name"),
        ({"headers": {"x": "line\nbreak"}}, 'header "x"'),
        ({"tls": {"ca_file": "/nowhere/ca.pem"}}, "/nowhere/ca.pem"),
        ({"tls": {"cert_file": "a.pem"}}, "key_file"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_an_exporter_that_will_not_do_is_refused_with_the_reason(io: Any, settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        exporter(io, **settings)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"name": "otlp"}, "at least one of grpc and http"),
        ({"name": "otlp", "grpc": {"endpoint": "0.0.0.0:0"}}, "insecure: true"),
        ({"name": "otlp", "grpc": PORT | {"tls": {"cert_file": "/nowhere.pem", "key_file": "/nowhere.key"}}}, "/nowhere.pem"),
        ({"name": "otlp", "grpc": PORT, "metadata_keys": ["not a name"]}, "not a name"),
        ({"name": "otlp", "grpc": {"endpoint": "127.0.0.1:0", "colour": 1}}, "colour"),
    ],
)
def test_a_receiver_that_will_not_do_is_refused_with_the_reason(io: Any, config: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        io.server(json.dumps(config), {"traces": None}, {})


def test_an_address_that_is_taken_is_named(io: Any) -> None:
    server = io.server(json.dumps({"name": "otlp", "grpc": PORT}), {"traces": None}, {})
    taken = server.addresses["grpc"]
    with pytest.raises(OSError, match=taken):
        io.server(json.dumps({"name": "other", "http": {"endpoint": taken}}), {"traces": None}, {})


def test_an_unknown_signal_is_refused(io: Any) -> None:
    with pytest.raises(ValueError, match="profiles"):
        io.server(json.dumps({"name": "otlp", "grpc": PORT}), {"profiles": None}, {})


def test_nothing_is_pulled_when_nothing_waits(io: Any) -> None:
    assert io.pull(wait=0.01) == []
    assert (io.in_flight_bytes, io.connections, io.waiting, io.outbox) == (0, 0, 0, 0)


def test_payloads_must_match_their_requests(io: Any) -> None:
    with pytest.raises(ValueError, match="1 payloads for 0 requests"):
        io.push(exporter(io), [], [b""])


def test_what_cannot_be_sent_says_so_later(io: Any) -> None:
    token = io.send(exporter(io), "logs", b"")
    results = []
    while not results:
        results = io.drain_results()
    (found, name, signal, code, message, _, unsupported) = results[0]
    assert (found, name, signal, code, unsupported) == (token, "otlp", "logs", 14, False)
    assert "127.0.0.1:1" in message


def test_a_closed_transport_says_so(io: Any) -> None:
    io.close()
    io.close()
    with pytest.raises(RuntimeError, match="closed"):
        io.pull()


@pytest.mark.parametrize("endpoint", ["127.0.0.1:4317", "[::1]:4317", "localhost:4317"])
def test_loopback_is_not_exposed(endpoint: str) -> None:
    assert _native.exposed(endpoint) is None


@pytest.mark.parametrize("endpoint", ["0.0.0.0:4317", ":4317", "[::]:4317", "10.1.2.3:4317"])
def test_other_addresses_are_exposed(endpoint: str) -> None:
    assert "plain text" in str(_native.exposed(endpoint))
