"""A shop: Envoy before a Node storefront with Postgres and Redis, a catalogue in FastAPI, sign-in in Go, a payment provider outside."""

from __future__ import annotations

from random import Random

from examples.lab.flows import Service, call_to
from examples.lab.place import Api
from examples.lab.places.building import operations
from examples.lab.population import Population, people
from examples.lab.spans import Piece

EDGE = Service("edge", "envoy")
FRONT = Service("storefront", "node", "shop")
CATALOG = Service("catalog", "fastapi", "catalog")
SIGN_IN = Service("signin", "go", "signin")
PAYMENTS = "https://api.payments.example/v1/charges"
sql, cache, tools, goods = FRONT.tools.sql, FRONT.tools.cache, FRONT.tools, CATALOG.tools.sql


def _goods(route: str, statement: str, table: str) -> Piece:
    return call_to(FRONT, CATALOG, "GET", route, (goods(statement, table),), word="db")


ONE_ORDER = "SELECT id, user_id, status, total FROM orders WHERE id = $1"
ME = sql("SELECT id, email, name, address FROM users WHERE id = $1", "users")
ROWS = [
    (
        "GET /api/home",
        FRONT,
        0.03,
        5200,
        (cache(), _goods("/featured", "SELECT id, name, price FROM products WHERE featured LIMIT %(n)s", "products")),
    ),
    (
        "GET /api/products",
        FRONT,
        0.04,
        6400,
        (_goods("/products", "SELECT id, name, price FROM products WHERE category = %(c)s LIMIT %(n)s OFFSET %(o)s", "products"),),
    ),
    (
        "GET /api/products/{id}",
        FRONT,
        0.025,
        2100,
        (cache(), _goods("/products/{n}", "SELECT id, name, price, text FROM products WHERE id = %(id)s", "products")),
    ),
    (
        "GET /api/products/{id}/reviews",
        FRONT,
        0.02,
        3000,
        (sql("SELECT id, stars, text FROM reviews WHERE product_id = $1 LIMIT $2", "reviews"),),
    ),
    ("GET /api/search", FRONT, 0.06, 4100, (sql("SELECT id, name, price FROM products WHERE name ILIKE '%{}%' LIMIT 20", "products"),)),
    ("GET /api/recommendations", FRONT, 0.05, 2600, (cache("MGET"),)),
    ("GET /api/cart", FRONT, 0.02, 900, (sql("SELECT id, product_id, amount FROM cart_items WHERE user_id = $1", "cart_items"),)),
    (
        "POST /api/cart/items",
        FRONT,
        0.03,
        300,
        (sql("INSERT INTO cart_items (user_id, product_id, amount) VALUES ($1, $2, $3)", "cart_items"), cache("DEL")),
    ),
    ("DELETE /api/cart/items/{id}", FRONT, 0.02, 60, (sql("DELETE FROM cart_items WHERE id = $1 AND user_id = $2", "cart_items"),)),
    (
        "POST /api/login",
        FRONT,
        0.12,
        420,
        (sql("SELECT id, email, password FROM users WHERE email = $1", "users"), call_to(FRONT, SIGN_IN, "POST", "/tokens")),
    ),
    ("POST /api/token", FRONT, 0.03, 400, (call_to(FRONT, SIGN_IN, "POST", "/refresh"),)),
    (
        "POST /api/users",
        FRONT,
        0.15,
        300,
        (
            sql("INSERT INTO users (email, name, password) VALUES ($1, $2, $3)", "users"),
            tools.get("https://mail.example/v3/send", 202, "POST"),
        ),
    ),
    (
        "POST /api/password/reset",
        FRONT,
        0.05,
        80,
        (sql("SELECT id, email FROM users WHERE email = $1", "users"), tools.get("https://mail.example/v3/send", 202, "POST")),
    ),
    ("GET /api/me", FRONT, 0.015, 500, (ME,)),
    ("PATCH /api/me", FRONT, 0.03, 500, (sql("UPDATE users SET name = $1, address = $2 WHERE id = $3", "users"),)),
    ("GET /api/users/{id}/profile", FRONT, 0.015, 600, (ME,)),
    (
        "GET /api/orders",
        FRONT,
        0.035,
        2400,
        (sql("SELECT id, status, total FROM orders WHERE user_id = $1 ORDER BY id DESC LIMIT $2 OFFSET $3", "orders"),),
    ),
    (
        "GET /api/orders/{id}",
        FRONT,
        0.03,
        1300,
        (sql(ONE_ORDER, "orders"), sql("SELECT product_id, amount, price FROM order_items WHERE order_id = $1", "order_items")),
    ),
    (
        "POST /api/orders",
        FRONT,
        0.09,
        700,
        (
            sql("INSERT INTO orders (user_id, status, total) VALUES ($1, $2, $3)", "orders"),
            sql("INSERT INTO order_items (order_id, product_id, amount) VALUES ($1, $2, $3)", "order_items"),
        ),
    ),
    (
        "POST /api/payments",
        FRONT,
        0.4,
        350,
        (sql(ONE_ORDER, "orders"), tools.get(PAYMENTS, 201, "POST"), sql("UPDATE orders SET status = $1 WHERE id = $2", "orders")),
    ),
    ("POST /api/coupons", FRONT, 0.03, 120, (sql("SELECT id, code, value FROM coupons WHERE code = $1", "coupons"),)),
    ("GET /api/preview", FRONT, 0.3, 1800, (tools.get("{}", 200),)),
    (
        "GET /api/partner/orders",
        FRONT,
        0.05,
        3600,
        (sql("SELECT id, status, total FROM orders WHERE partner_id = $1 AND changed > $2 LIMIT $3", "orders"),),
    ),
    (
        "GET /api/partner/orders/{id}",
        FRONT,
        0.03,
        1300,
        (sql("SELECT id, status, total FROM orders WHERE id = $1 AND partner_id = $2", "orders"),),
    ),
    ("POST /api/hooks/carrier", FRONT, 0.04, 20, (sql("UPDATE parcels SET state = $1 WHERE id = $2", "parcels"),)),
    ("GET /api/export/orders", FRONT, 0.9, 90_000, (sql("SELECT id, user_id, status, total FROM orders WHERE user_id = $1", "orders"),)),
    ("GET /api/admin/orders/{id}", FRONT, 0.03, 1900, (sql(ONE_ORDER, "orders"), ME)),
    ("GET /api/admin/users", FRONT, 0.06, 5200, (sql("SELECT id, email, name FROM users WHERE email ILIKE $1 LIMIT $2", "users"),)),
    ("GET /api/admin/users/{id}", FRONT, 0.03, 900, (ME,)),
    ("DELETE /api/admin/users/{id}", FRONT, 0.04, 20, (sql("DELETE FROM users WHERE id = $1", "users"),)),
]
PUBLIC = {
    *("GET /api/home", "GET /api/products", "GET /api/products/{id}", "GET /api/products/{id}/reviews", "GET /api/search"),
    *("POST /api/login", "POST /api/token", "POST /api/users", "POST /api/password/reset", "POST /api/hooks/carrier"),
}
ROLES = {
    "login": "POST /api/login", "refresh": "POST /api/token", "signup": "POST /api/users", "reset": "POST /api/password/reset",
    "search": "GET /api/search", "object": "GET /api/orders/{id}", "self": "GET /api/users/{id}/profile", "list": "GET /api/orders",
    "write": "PATCH /api/me", "create": "POST /api/cart/items", "pay": "POST /api/payments", "coupon": "POST /api/coupons",
    "fetch": "GET /api/preview", "admin_list": "GET /api/admin/users", "admin_delete": "DELETE /api/admin/users/{id}",
    "export": "GET /api/export/orders", "me": "GET /api/me", "browse": "GET /api/products/{id}", "before_pay": "POST /api/orders",
}  # fmt: skip
NUMBERS = range(100_000, 400_000)


def _population(chance: Random, scale: float) -> Population:
    made = Population()
    for kind, count, objects in (("shopper", 1700, (0, 14)), ("app", 1160, (0, 14)), ("support", 14, (0, 0)), ("partner", 16, (200, 900))):
        for each in people(
            chance, "shop", kind, max(4 if count > 100 else 1, round(count * scale)), user="u{}", objects=objects, numbers=NUMBERS
        ):
            each.role = "staff" if kind == "support" else "user"
            made.add(each)
    return made


API = Api(
    name="shop",
    host="shop.example",
    services=(EDGE, FRONT, CATALOG, SIGN_IN),
    operations=operations(ROWS, FRONT, PUBLIC),
    roles=ROLES,
    auth=call_to(FRONT, SIGN_IN, "POST", "/introspect", word="auth"),
    remembered=cache(),
    remembers=0.6,
    day=(2, 1, 1, 1, 1, 2, 3, 5, 6, 7, 8, 8, 10, 9, 8, 8, 9, 10, 12, 15, 17, 15, 10, 5),
    weekend=1.25,
    share=0.5,
    population=_population,
    deploys=(("storefront", 10), ("catalog", 14), ("storefront", 16)),
)
