"""Who called: ladders of attributes, claims, headers and cookies; people behind one address; addresses of one network."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from tests.otlp import request, span
from tests.unit.rows.test_understanding import Understanding

from apisec_otel import semconv
from apisec_otel.processors.sessions import Sessions
from apisec_otel.spans.columns import records

CALL = {"http.request.method": "GET", "http.response.status_code": 200, "client.address": "203.0.113.7", "user_agent.original": "curl/8"}
AUTHORIZATION = "http.request.header.authorization"
COOKIE = "http.request.header.cookie"


def cookies() -> Understanding:
    return Understanding(sessions=Sessions(principal=("user.id", "cookie:sid"), session=("cookie:visit", "principal", "client")))


def tokens() -> Understanding:
    return Understanding(sessions=Sessions(principal=("user.id", "jwt:sub", "header:authorization")))


def jwt(**claims: Any) -> str:
    """A token as an issuer makes it, less a true signature."""
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), "c2ln"])


def principal(known: Understanding, told: Mapping[str, Any]) -> int:
    return int(known.row(CALL | dict(told))["principal"])


@pytest.mark.parametrize("spelt", ["bearer abc", "BEARER abc", "Bearer  abc", " Bearer abc ", "bEARER\tabc"])
def test_a_scheme_is_the_same_in_any_case(spelt: str) -> None:
    known = Understanding()
    assert principal(known, {AUTHORIZATION: [spelt]}) == principal(known, {AUTHORIZATION: ["Bearer abc"]}) == known.text("Bearer abc")
    assert principal(known, {AUTHORIZATION: ["basic YTpi"]}) == known.text("Basic YTpi")


@pytest.mark.parametrize("other", ["Bearer ABC", "Bearer abd", "Basic abc", "abc"])
def test_another_credential_is_another_caller(other: str) -> None:
    known = Understanding()
    assert principal(known, {AUTHORIZATION: [other]}) not in (0, known.text("Bearer abc"))


@pytest.mark.parametrize("redacted", ["Bearer ***", "Bearer [REDACTED]", "Basic ", "bearer *****"])
def test_a_scheme_without_its_credential_is_missing(redacted: str) -> None:
    """Else all users of a service that redacts them would be one."""
    row = Understanding().row(CALL | {AUTHORIZATION: [redacted]})
    assert (row["principal"], row["credential"]) == (0, 0)


@pytest.mark.parametrize(
    "sent",
    [["sid=abc"], ["_ga=1.2; sid=abc; theme=dark"], ['_ga=1.3;sid="abc"'], ["a=b", "sid=abc"], "theme=light; sid=abc"],
)
def test_one_cookie_says_who_whatever_the_others_are(sent: Any) -> None:
    known = cookies()
    assert principal(known, {COOKIE: sent}) == known.text("abc")


@pytest.mark.parametrize("sent", [["sid=other"], ["SID=abc"], ["xsid=abc"], ["sid="], ["sid=***"], ["sid"], []])
def test_what_is_no_such_cookie_is_not_its_user(sent: Any) -> None:
    known = cookies()
    assert principal(known, {COOKIE: sent}) in (0, known.text("other"))


def test_a_cookie_can_group_calls() -> None:
    known = cookies()
    first, other, again = (known.row(CALL | {COOKIE: [f"visit={visit}; _ga={at}"]})["session"] for at, visit in enumerate("aba"))
    assert first == again != other


def test_a_refused_cookie_is_nobody() -> None:
    assert principal(cookies(), {COOKIE: ["sid=abc"], "http.response.status_code": 401}) == 0


def test_cookies_leave_overwritten() -> None:
    (out,) = cookies().batch(request(span(1, CALL | {COOKIE: ["_ga=1; sid=sesame"]}))).encode()
    assert b"sesame" not in out


def test_a_subject_is_one_caller_over_all_its_tokens() -> None:
    known = tokens()
    first = principal(known, {AUTHORIZATION: [f"Bearer {jwt(iss='https://id', sub='ann', exp=1)}"]})
    assert first == principal(known, {AUTHORIZATION: [f"bearer {jwt(iss='https://id', sub='ann', exp=2)}"]})
    assert first not in (0, known.text("ann")), "it is not what the application calls ann"


@pytest.mark.parametrize("claims", [{"iss": "https://id", "sub": "bob"}, {"iss": "https://other", "sub": "ann"}, {"sub": "ann"}])
def test_another_subject_or_issuer_is_another_caller(claims: dict[str, str]) -> None:
    known = tokens()
    ann = principal(known, {AUTHORIZATION: [f"Bearer {jwt(iss='https://id', sub='ann')}"]})
    assert principal(known, {AUTHORIZATION: [f"Bearer {jwt(**claims)}"]}) not in (0, ann)


@pytest.mark.parametrize("token", ["opaque", jwt(iss="https://id"), jwt(sub=""), jwt(sub=["ann"]), "a.b.c", jwt(sub="ann") + ".x"])
def test_without_a_subject_the_whole_credential_counts(token: str) -> None:
    known = tokens()
    assert principal(known, {AUTHORIZATION: [f"Bearer {token}"]}) == known.text(f"Bearer {token}")


def test_a_refused_token_is_nobody_whatever_it_claims() -> None:
    known = tokens()
    row = known.row(CALL | {"http.response.status_code": 401, AUTHORIZATION: [f"Bearer {jwt(sub='ann')}"]})
    assert (row["principal"], row["credential"] != 0) == (0, True)
    assert principal(known, {"user.id": "ann", AUTHORIZATION: [f"Bearer {jwt(sub='x')}"]}) == known.text("ann")


def test_a_token_leaves_overwritten_and_its_subject_nowhere() -> None:
    known, token = tokens(), jwt(iss="https://id", sub="sesame")
    batch = known.batch(request(span(1, CALL | {AUTHORIZATION: [f"Bearer {token}"]})))
    batch.annotate(0, {semconv.PRINCIPAL_HASH: f"{records(batch)['principal'][0]:016x}"})
    (out,) = batch.encode()
    assert token.encode() not in out
    assert b"sesame" not in out


def test_claims_are_read_only_when_asked() -> None:
    known, token = Understanding(), f"Bearer {jwt(sub='ann')}"
    assert principal(known, {AUTHORIZATION: [token]}) == known.text(token)


USERS = {
    "user ids": lambda user: {"user.id": user},
    "bearer tokens": lambda user: {AUTHORIZATION: [f"Bearer {user}"]},
    "session ids": lambda user: {"session.id": user},
}


@pytest.mark.parametrize("agent", ["curl/8", None])
@pytest.mark.parametrize("told", USERS)
def test_people_behind_one_address_are_not_merged(told: str, agent: str | None) -> None:
    known = Understanding()
    call = {key: value for key, value in (CALL | {"user_agent.original": agent}).items() if value is not None}
    spans = [span(1 + at, call | USERS[told](f"user{at % 3}"), at=at) for at in range(30)]
    rows = records(known.batch(request(*spans)))
    assert len(set(rows["client"].tolist())) == 1
    assert len(set(rows["session"].tolist())) == 3
    for at in range(3):
        assert len(set(rows["session"][at::3].tolist())) == 1, "and each stays one"


def test_an_ipv6_network_is_one_place_and_its_addresses_are_told_apart() -> None:
    """Privacy extensions change the address within it as often as they like."""
    known = Understanding()
    one, two, other = (known.row(CALL | {"client.address": f"2001:db8:0:{net}::{host}"}) for net, host in ((1, "1"), (1, "a:b"), (2, "1")))
    assert one["client"] != two["client"]
    assert one["network"] == two["network"] == known.address("2001:db8:0:1::") != other["network"]
    assert one["session"] == two["session"] != other["session"]
    v4 = [known.row(CALL | {"client.address": f"203.0.113.{host}"})["session"] for host in (7, 8)]
    assert v4[0] != v4[1], "a /24 is many people's"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"principal": ("headers:authorization",)},
            "principal: 'headers:authorization' is no rung of this ladder; write an attribute such as ",
        ),
        ({"principal": ("cookie:",)}, "user.id, jwt:sub, header:NAME or cookie:NAME"),
        ({"principal": ("cookie",)}, "'cookie' is no rung"),
        ({"principal": ("client",)}, "'client' is no rung"),
        ({"principal": ("cookie:a b",)}, "'cookie:a b' is no rung"),
        ({"principal": ("header:authorization", "jwt:sub")}, "attributes come first, then jwt:sub, then header:NAME and cookie:NAME"),
        ({"session": ("jwt:sub",)}, "write an attribute such as user.id, header:NAME, cookie:NAME, principal or client"),
    ],
)
def test_a_wrong_rung_is_told_with_those_that_are_right(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Sessions(**settings)
