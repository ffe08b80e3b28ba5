"""The vocabulary handed to the codec, and the names that are written."""

import json

import pytest

from apisec_otel import semconv
from apisec_otel.semconv import VocabularySettings, vocabulary_json


def sources(column: str, settings: VocabularySettings | None = None) -> list[tuple[str, str]]:
    spec = json.loads(vocabulary_json(settings))
    (found,) = [each["sources"] for each in spec["columns"] if each["column"] == column]
    return [(each["key"], each["as"]) for each in found]


def test_the_same_settings_give_the_same_text():
    assert vocabulary_json() == vocabulary_json(VocabularySettings())


def test_it_has_every_column_of_the_codec():
    texts = "service namespace environment version method scheme host path query route client peer forwarded agent"
    wanted = {*texts.split(), "user", "claim", "session", "credential", "role", "error", "status", "request_size", "response_size", "rpc"}
    assert {each["column"] for each in json.loads(vocabulary_json())["columns"]} == wanted


@pytest.mark.parametrize(
    ("column", "stable", "old"),
    [
        ("method", "http.request.method", "http.method"),
        ("status", "http.response.status_code", "http.status_code"),
        ("path", "url.path", "http.target"),
        ("agent", "user_agent.original", "http.user_agent"),
        ("peer", "network.peer.address", "net.peer.ip"),
        ("environment", "deployment.environment.name", "deployment.environment"),
        ("request_size", "http.request.body.size", "http.request_content_length"),
    ],
)
def test_the_stable_name_wins_over_the_old_one(column, stable, old):
    keys = [key for key, _ in sources(column)]
    assert keys.index(stable) < keys.index(old)


def test_oddities():
    assert ("http.url", "url.query") in sources("query")  # ASGI with old names has the query only there
    assert ("net.host.name", "host") in sources("host")  # Flask: host:port
    assert ("http.server_name", "host") in sources("host")  # FastAPI: host:port
    assert ("rpc.method", "constant:POST") in sources("method")
    assert ("rpc.grpc.status_code", "grpc_status") in sources("status")
    assert ("peer.address", "text") in sources("peer")  # Envoy
    assert ("http.request.header.x_forwarded_for", "last") in sources("forwarded")
    assert ("http.request.header.content_length", "number") in sources("request_size")
    assert "REDACTED" in semconv.MISSING
    assert "_OTHER" in semconv.MISSING


def test_every_spelling_of_a_secret_header_is_overwritten():
    secrets = set(json.loads(vocabulary_json(VocabularySettings(secret_headers=("X-Tenant-Key",))))["secret_headers"])
    for name in ("x-api-key", "x_api_key", "authorization", "set-cookie", "x-tenant-key", "x_tenant_key"):
        for prefix in ("http.request.header.", "http.response.header.", "rpc.request.metadata.", "rpc.grpc.request.metadata."):
            assert prefix + name in secrets


def test_a_header_that_is_a_credential_is_a_secret_too():
    settings = VocabularySettings(principal=("user.id", "header:X-Customer"), session=("header:x-visit", "client"))
    assert ("http.request.header.x-customer", "credential") in sources("credential", settings)
    assert ("http.request.header.x-visit", "credential") in sources("session", settings)
    secrets = json.loads(vocabulary_json(settings))["secret_headers"]
    assert {"http.request.header.x_customer", "http.request.header.x_visit"} <= set(secrets)


def test_the_word_credential_stands_for_the_usual_headers():
    assert sources("credential")[0] == ("http.request.header.authorization", "credential")
    assert sources("user") == [("user.id", "text"), ("enduser.id", "text")]


def test_an_attribute_behind_a_header_is_refused():
    with pytest.raises(ValueError, match="attributes come first"):
        vocabulary_json(VocabularySettings(principal=("header:authorization", "user.id")))


def test_all_that_is_written_has_the_reserved_prefix():
    written = [semconv.SEVERITY, semconv.FINDINGS, semconv.RISK_SCORE, semconv.EVIDENCE, semconv.ENTITY_ID, semconv.SAMPLING_KEEP]
    assert all(key.startswith(semconv.RESERVED) for key in written)
