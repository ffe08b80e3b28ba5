"""A bank: Java throughout, the Java agent everywhere, the token checked at every request, fraud scoring outside."""

from __future__ import annotations

from random import Random

from examples.lab.flows import Service, call_to
from examples.lab.place import Api
from examples.lab.places.building import operations
from examples.lab.population import Population, people

FRONT = Service("accounts-api", "java", "bank")
LEDGER = Service("ledger", "java", "ledger")
SIGN_IN = Service("auth", "java", "auth")
sql, tools, booked = FRONT.tools.sql, FRONT.tools, LEDGER.tools.sql
FRAUD = tools.get("https://score.fraud.example/v2/transfers", 200, "POST")
ONE = booked("SELECT id, customer_id, iban, balance FROM accounts WHERE id = ?", "accounts")
ME = sql("SELECT id, name, email, phone FROM customers WHERE id = ?", "customers")


def _ledger(method: str, route: str, *below: object) -> object:
    return call_to(FRONT, LEDGER, method, route, below, user="yes", word="ledger")  # type: ignore[arg-type]


ROWS = [
    (
        "POST /v1/sessions",
        FRONT,
        0.2,
        500,
        (sql("SELECT id, login, password FROM customers WHERE login = ?", "customers"), call_to(FRONT, SIGN_IN, "POST", "/oauth2/token")),
    ),
    ("POST /v1/sessions/{id}/mfa", FRONT, 0.05, 300, (sql("SELECT id, code FROM mfa WHERE session_id = ?", "mfa"),)),
    ("POST /v1/token", FRONT, 0.04, 400, (call_to(FRONT, SIGN_IN, "POST", "/oauth2/refresh"),)),
    (
        "POST /v1/customers",
        FRONT,
        0.3,
        200,
        (
            sql("INSERT INTO customers (name, email, phone) VALUES (?, ?, ?)", "customers"),
            tools.get("https://sms.example/send", 202, "POST"),
        ),
    ),
    (
        "POST /v1/password/reset",
        FRONT,
        0.08,
        60,
        (sql("SELECT id, phone FROM customers WHERE login = ?", "customers"), tools.get("https://sms.example/send", 202, "POST")),
    ),
    ("GET /v1/me", FRONT, 0.02, 700, (ME,)),
    ("PATCH /v1/me", FRONT, 0.04, 700, (sql("UPDATE customers SET email = ?, phone = ? WHERE id = ?", "customers"),)),
    ("GET /v1/customers/{id}/profile", FRONT, 0.02, 700, (ME,)),
    (
        "GET /v1/accounts",
        FRONT,
        0.05,
        1300,
        (_ledger("GET", "/accounts", booked("SELECT id, iban, balance FROM accounts WHERE customer_id = ?", "accounts")),),
    ),
    ("GET /v1/accounts/{id}", FRONT, 0.04, 800, (_ledger("GET", "/accounts/{n}", ONE),)),
    (
        "GET /v1/accounts/{id}/transactions",
        FRONT,
        0.07,
        5100,
        (
            _ledger(
                "GET",
                "/accounts/{n}/bookings",
                booked("SELECT id, amount, text FROM bookings WHERE account_id = ? ORDER BY id DESC LIMIT ? OFFSET ?", "bookings"),
            ),
        ),
    ),
    ("GET /v1/payees", FRONT, 0.03, 1500, (sql("SELECT id, name, iban FROM payees WHERE customer_id = ? AND name LIKE '{}%'", "payees"),)),
    ("POST /v1/payees", FRONT, 0.05, 200, (sql("INSERT INTO payees (customer_id, name, iban) VALUES (?, ?, ?)", "payees"),)),
    ("POST /v1/transfers/check", FRONT, 0.1, 300, (_ledger("GET", "/accounts/{n}", ONE), FRAUD)),
    (
        "POST /v1/transfers",
        FRONT,
        0.25,
        400,
        (
            FRAUD,
            _ledger(
                "POST",
                "/bookings",
                booked("INSERT INTO bookings (account_id, amount, text) VALUES (?, ?, ?)", "bookings"),
                booked("UPDATE accounts SET balance = ? WHERE id = ?", "accounts"),
            ),
        ),
    ),
    ("POST /v1/vouchers", FRONT, 0.04, 100, (sql("SELECT id, code, value FROM vouchers WHERE code = ?", "vouchers"),)),
    ("GET /v1/logo", FRONT, 0.2, 9000, (tools.get("{}", 200),)),
    (
        "GET /v1/statements/export",
        FRONT,
        1.2,
        120_000,
        (
            _ledger(
                "GET", "/bookings", booked("SELECT id, amount, text FROM bookings WHERE account_id = ? AND day BETWEEN ? AND ?", "bookings")
            ),
        ),
    ),
    ("GET /v1/admin/customers", FRONT, 0.06, 4000, (sql("SELECT id, name, email FROM customers WHERE name LIKE ? LIMIT ?", "customers"),)),
    ("GET /v1/admin/customers/{id}", FRONT, 0.04, 1900, (ME,)),
    ("DELETE /v1/admin/customers/{id}", FRONT, 0.1, 20, (sql("DELETE FROM customers WHERE id = ?", "customers"),)),
]
PUBLIC = {"POST /v1/sessions", "POST /v1/sessions/{id}/mfa", "POST /v1/token", "POST /v1/customers", "POST /v1/password/reset"}
ROLES = {
    "login": "POST /v1/sessions", "refresh": "POST /v1/token", "signup": "POST /v1/customers", "reset": "POST /v1/password/reset",
    "search": "GET /v1/payees", "object": "GET /v1/accounts/{id}", "self": "GET /v1/customers/{id}/profile",
    "list": "GET /v1/accounts/{id}/transactions",
    "write": "PATCH /v1/me", "create": "POST /v1/payees", "pay": "POST /v1/transfers", "coupon": "POST /v1/vouchers",
    "fetch": "GET /v1/logo", "admin_list": "GET /v1/admin/customers", "admin_delete": "DELETE /v1/admin/customers/{id}",
    "export": "GET /v1/statements/export", "me": "GET /v1/me", "browse": "GET /v1/accounts/{id}", "before_pay": "POST /v1/transfers/check",
}  # fmt: skip
NUMBERS = range(5_000_000, 5_090_000)


def _population(chance: Random, scale: float) -> Population:
    made = Population()
    for kind, count, objects in (("customer", 1235, (1, 3)), ("support", 15, (0, 0)), ("aggregator", 10, (20, 60))):
        for each in people(
            chance, "bank", kind, max(4 if count > 100 else 1, round(count * scale)), user="{}", objects=objects, numbers=NUMBERS
        ):
            each.role = "teller" if kind == "support" else "customer" if kind == "customer" else "partner"
            made.add(each)
    return made


API = Api(
    name="bank",
    host="api.bank.example",
    services=(FRONT, LEDGER, SIGN_IN),
    operations=operations(ROWS, FRONT, PUBLIC),  # type: ignore[arg-type]
    roles=ROLES,
    auth=call_to(FRONT, SIGN_IN, "POST", "/oauth2/introspect", word="auth"),
    remembered=None,
    remembers=0.0,
    day=(1, 1, 1, 1, 1, 2, 5, 9, 10, 9, 8, 8, 11, 10, 8, 7, 8, 10, 11, 9, 7, 5, 3, 2),
    weekend=0.6,
    share=0.25,
    population=_population,
    deploys=(("ledger", 11),),
)
