"""A tracker for many companies: FastAPI with SQLAlchemy, a GraphQL server in Node, sign-in in Go; tenant headers, tokens with claims."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from examples.lab.flows import Service, call_to
from examples.lab.place import Api
from examples.lab.places.building import operations
from examples.lab.population import Population, people
from examples.lab.spans import INTERNAL, Piece

EDGE = Service("ingress", "envoy")
FRONT = Service("tracker", "fastapi", "tracker")
GRAPH = Service("graph", "node", "tracker")
SIGN_IN = Service("identity", "go", "identity")
sql, cache, tools = FRONT.tools.sql, FRONT.tools.cache, FRONT.tools
MEMBER = replace(sql("SELECT role FROM memberships WHERE user_id = %(user)s AND tenant_id = %(tenant)s", "memberships"), word="auth")
ONE = sql("SELECT id, tenant_id, title, state FROM issues WHERE id = %(id)s AND tenant_id = %(tenant)s", "issues")
TENANTS = 40


def query(name: str, document: str) -> Piece:
    """What the GraphQL instrumentation tells of an operation."""
    told = {"graphql.operation.name": name, "graphql.operation.type": "query", "graphql.source": document}
    return Piece("@opentelemetry/instrumentation-graphql", f"query {name}", INTERNAL, told, word="graph")


BOARD = query("Board", "query Board { project { id name issues { id title state } } }")
ROWS = [
    (
        "POST /auth/login",
        FRONT,
        0.18,
        900,
        (sql("SELECT id, email, password FROM users WHERE email = %(email)s", "users"), call_to(FRONT, SIGN_IN, "POST", "/tokens")),
    ),
    ("POST /auth/token", FRONT, 0.03, 900, (call_to(FRONT, SIGN_IN, "POST", "/refresh"),)),
    (
        "POST /auth/signup",
        FRONT,
        0.2,
        300,
        (
            sql("INSERT INTO users (email, name, password) VALUES (%(email)s, %(name)s, %(password)s)", "users"),
            tools.get("https://mail.example/v3/send", 202, "POST"),
        ),
    ),
    (
        "POST /auth/reset",
        FRONT,
        0.05,
        60,
        (sql("SELECT id, email FROM users WHERE email = %(email)s", "users"), tools.get("https://mail.example/v3/send", 202, "POST")),
    ),
    ("GET /users/me", FRONT, 0.015, 600, (sql("SELECT id, email, name FROM users WHERE id = %(id)s", "users"),)),
    ("PATCH /users/me", FRONT, 0.03, 600, (sql("UPDATE users SET name = %(name)s, zone = %(zone)s WHERE id = %(id)s", "users"),)),
    ("GET /users/{id}/profile", FRONT, 0.015, 500, (sql("SELECT id, name, email FROM users WHERE id = %(id)s", "users"),)),
    ("GET /projects", FRONT, 0.03, 2200, (sql("SELECT id, name FROM projects WHERE tenant_id = %(tenant)s", "projects"),)),
    (
        "GET /projects/{id}/issues",
        FRONT,
        0.06,
        7000,
        (
            sql(
                "SELECT id, title, state FROM issues WHERE project_id = %(p)s AND tenant_id = %(tenant)s LIMIT %(n)s OFFSET %(o)s", "issues"
            ),
        ),
    ),
    ("GET /issues/{id}", FRONT, 0.03, 1800, (ONE, cache())),
    (
        "PATCH /issues/{id}",
        FRONT,
        0.04,
        1800,
        (ONE, sql("UPDATE issues SET state = %(state)s, title = %(title)s WHERE id = %(id)s", "issues")),
    ),
    (
        "POST /issues",
        FRONT,
        0.06,
        1700,
        (
            sql("INSERT INTO issues (tenant_id, project_id, title, state) VALUES (%(t)s, %(p)s, %(title)s, %(s)s)", "issues"),
            tools.get("https://hooks.chat.example/services/T1", 200, "POST"),
        ),
    ),
    (
        "GET /issues/{id}/comments",
        FRONT,
        0.03,
        2600,
        (sql("SELECT id, author_id, text FROM comments WHERE issue_id = %(id)s AND tenant_id = %(tenant)s", "comments"),),
    ),
    (
        "POST /issues/{id}/comments",
        FRONT,
        0.04,
        500,
        (ONE, sql("INSERT INTO comments (issue_id, author_id, text) VALUES (%(i)s, %(a)s, %(t)s)", "comments")),
    ),
    (
        "GET /search",
        FRONT,
        0.09,
        3800,
        (sql("SELECT id, title FROM issues WHERE tenant_id = %(tenant)s AND title ILIKE '%{}%' LIMIT 25", "issues"),),
    ),
    ("GET /notifications", FRONT, 0.012, 300, (cache("LRANGE"),)),
    (
        "POST /subscriptions",
        FRONT,
        0.5,
        400,
        (
            tools.get("https://api.billing.example/v1/subscriptions", 200, "POST"),
            sql("UPDATE tenants SET plan = %(plan)s WHERE id = %(id)s", "tenants"),
        ),
    ),
    ("GET /plans", FRONT, 0.02, 700, (cache(),)),
    ("POST /promo", FRONT, 0.03, 100, (sql("SELECT id, code FROM promos WHERE code = %(code)s", "promos"),)),
    ("GET /unfurl", FRONT, 0.4, 900, (tools.get("{}", 200),)),
    ("GET /export/issues", FRONT, 1.5, 240_000, (sql("SELECT id, title, state, text FROM issues WHERE tenant_id = %(tenant)s", "issues"),)),
    ("GET /admin/users", FRONT, 0.05, 4600, (sql("SELECT id, email, role FROM users WHERE tenant_id = %(tenant)s LIMIT %(n)s", "users"),)),
    (
        "GET /admin/tenants/{tenant}/issues/{id}",
        FRONT,
        0.05,
        2000,
        (sql("SELECT id, title, state, text FROM issues WHERE id = %(id)s", "issues"),),
    ),
    ("DELETE /admin/users/{id}", FRONT, 0.05, 20, (sql("DELETE FROM users WHERE id = %(id)s AND tenant_id = %(tenant)s", "users"),)),
    (
        "POST /graphql",
        GRAPH,
        0.07,
        5200,
        (BOARD, GRAPH.tools.sql("SELECT id, title, state FROM issues WHERE project_id = ANY($1)", "issues")),
    ),
    ("POST /hooks/ci", FRONT, 0.03, 20, (sql("INSERT INTO builds (tenant_id, state) VALUES (%(t)s, %(s)s)", "builds"),)),
]
PUBLIC = {"POST /auth/login", "POST /auth/token", "POST /auth/signup", "POST /auth/reset", "POST /hooks/ci"}
ROLES = {
    "login": "POST /auth/login", "refresh": "POST /auth/token", "signup": "POST /auth/signup", "reset": "POST /auth/reset",
    "search": "GET /search", "object": "GET /issues/{id}", "self": "GET /users/{id}/profile", "list": "GET /projects/{id}/issues",
    "write": "PATCH /users/me", "create": "POST /issues", "pay": "POST /subscriptions", "coupon": "POST /promo",
    "fetch": "GET /unfurl", "admin_list": "GET /admin/users", "admin_delete": "DELETE /admin/users/{id}",
    "export": "GET /export/issues", "me": "GET /users/me", "browse": "GET /issues/{id}", "before_pay": "GET /plans",
    "graphql": "POST /graphql",
}  # fmt: skip
NUMBERS = range(20_000, 80_000)


def _population(chance: Random, scale: float) -> Population:
    made = Population()
    offices = [f"62.{chance.randrange(256)}.{tenant}.9" for tenant in range(TENANTS)]
    pools = [sorted(chance.sample(NUMBERS, chance.randint(150, 900))) for _ in range(TENANTS)]
    for kind, count, objects in (("member", 800, (6, 60)), ("bot", 42, (30, 200)), ("support", 8, (0, 0))):
        for each in people(
            chance, "saas", kind, max(4 if count > 100 else 1, round(count * scale)), user="m{}", objects=objects, numbers=NUMBERS
        ):
            # Companies are few and large, or many and small.
            each.tenant = min(TENANTS - 1, int(chance.expovariate(0.1)))
            each.office = offices[each.tenant]
            if each.objects:
                each.objects = sorted(chance.sample(pools[each.tenant], min(len(each.objects), len(pools[each.tenant]))))
            each.role = "staff" if kind == "support" else "admin" if chance.random() < 0.06 else "member"
            made.add(each)
    return made


API = Api(
    name="saas",
    host="app.tracker.example",
    services=(EDGE, FRONT, GRAPH, SIGN_IN),
    operations=operations(ROWS, FRONT, PUBLIC),
    roles=ROLES,
    auth=MEMBER,
    remembered=cache(),
    remembers=0.15,
    day=(2, 2, 1, 1, 1, 2, 4, 9, 15, 17, 17, 15, 10, 13, 16, 16, 14, 11, 7, 5, 4, 3, 3, 2),
    weekend=0.18,
    share=0.25,
    population=_population,
    deploys=(("tracker", 9), ("graph", 13), ("tracker", 15), ("tracker", 17)),
)
