"""A bank's customers, and the members of companies that use the tracker."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote_plus

from examples.lab.people.visit import Steps, Visit

NAMES = ("an", "mey", "o'br", "mü", "de la", "sch", "li", "kow", "smith", "garc")
TITLES = (
    "login broken", "export", "crash on save", "it's slow", "null pointer", "add select box", "union of lists", "docs",
    "drop support for v1", "typo", "a/b test", "<b> shown", "release 2.4",
)  # fmt: skip
REPORTS = ("Board", "Burndown", "Members", "Activity")


def customer(visit: Visit) -> Steps:
    """Looks at accounts, pages through what was booked, sends money now and then."""
    chance, person = visit.chance, visit.person
    if chance.random() < 0.45:
        yield from visit.sign_in()
        wrong = chance.random() < 0.05
        if wrong:
            yield visit.pause(20), visit.call("POST /v1/sessions/{id}/mfa", chance.randrange(10**9), status=401)
        yield visit.pause(15), visit.call("POST /v1/sessions/{id}/mfa", chance.randrange(10**9))
    else:
        yield from visit.come_back()
    yield from visit.burst([partial(visit.call, "GET /v1/me"), partial(visit.call, "GET /v1/accounts")], 0.1)
    yield from visit.burst([partial(visit.call, "GET /v1/accounts/{id}", each) for each in person.objects], 0.05)
    for _ in range(1 + int(chance.expovariate(1 / 2.2))):
        yield from visit.fresh()
        account, draw = chance.choice(person.objects), chance.random()
        if draw < 0.6:
            yield from visit.pages("GET /v1/accounts/{id}/transactions", account, query="page={}&limit=25")
        elif draw < 0.85:
            yield from _sends(visit, account)
        elif draw < 0.9:
            yield visit.pause(10), visit.call("GET /v1/statements/export", query="year=2025")
        elif draw < 0.93:
            yield visit.pause(20), visit.call("PATCH /v1/me", status=200 if chance.random() < 0.8 else 422)
        elif draw < 0.95:
            yield visit.pause(5), visit.call("GET /v1/customers/{id}/profile", person.user)
        elif draw < 0.97:
            yield from visit.typo()


def _sends(visit: Visit, account: int) -> Steps:
    typed = visit.chance.choice(NAMES)
    yield visit.pause(8), visit.call("GET /v1/payees", query=f"q={quote_plus(typed)}", fill=typed.replace("'", "''"))
    if visit.chance.random() < 0.2:
        yield visit.pause(40), visit.call("POST /v1/payees", status=201 if visit.chance.random() < 0.9 else 400)
    yield visit.pause(30), visit.call("POST /v1/transfers/check")
    yield visit.pause(8), visit.call("POST /v1/transfers", status=201 if visit.chance.random() < 0.97 else 409)
    yield 0.2, visit.call("GET /v1/accounts/{id}", account)


def member(visit: Visit) -> Steps:
    """A working session in the tracker: the open page asks for news every minute, all along."""
    chance = visit.chance
    yield from visit.sign_in() if chance.random() < 0.35 else visit.come_back()
    yield from visit.burst([partial(visit.call, name) for name in ("GET /users/me", "GET /projects", "GET /notifications")], 0.1)
    for _ in range(2 + int(chance.expovariate(1 / 5))):
        yield from visit.fresh()
        yield from _works(visit)
        for _ in range(chance.randrange(4)):
            yield chance.uniform(55, 65), visit.call("GET /notifications")


def _works(visit: Visit) -> Steps:
    chance, person = visit.chance, visit.person
    project, draw = person.tenant * 10 + chance.randrange(6), chance.random()
    if draw < 0.4:
        yield from visit.pages("GET /projects/{id}/issues", project, query="page={}&limit=50")
    elif draw < 0.6:
        yield visit.pause(10), visit.call("POST /graphql")
    elif draw < 0.75:
        typed = chance.choice(TITLES)
        yield visit.pause(9), visit.call("GET /search", query=f"q={quote_plus(typed)}", fill=typed.replace("'", "''"))
    elif draw < 0.79:
        yield from visit.typo()
    elif draw < 0.82 and person.role == "admin":
        yield visit.pause(12), visit.call("GET /admin/users")
    elif draw < 0.84:
        host = chance.choice(("docs.example", "blog.example", "wiki.example"))
        yield (
            visit.pause(15),
            visit.call("GET /unfurl", query=f"url=https%3A%2F%2F{host}%2Fp%2F{chance.randrange(500)}", fill=f"https://{host}/p"),
        )
    issue = chance.choice(person.objects)
    yield visit.pause(10), visit.call("GET /issues/{id}", issue)
    yield chance.uniform(0.02, 0.2), visit.call("GET /issues/{id}/comments", issue)
    if chance.random() < 0.3:
        yield visit.pause(40), visit.call("POST /issues/{id}/comments", issue, status=201)
    elif chance.random() < 0.2:
        yield visit.pause(25), visit.call("PATCH /issues/{id}", issue, status=200 if chance.random() < 0.95 else 409)
    elif chance.random() < 0.1:
        yield visit.pause(60), visit.call("POST /issues", status=201)
