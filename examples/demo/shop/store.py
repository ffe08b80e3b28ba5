"""The shop's SQLite database: its tables, and what is in it at the start (the same every time)."""

import hashlib
import random
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CUSTOMERS = 60
PRODUCTS = 80
ORDERS = 500
FIRST_ORDER = 1000
SEED = 20

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT UNIQUE, salt BLOB, password BLOB, role TEXT);
CREATE TABLE tokens (token TEXT PRIMARY KEY, user_id INTEGER REFERENCES users);
CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT, price INTEGER);
CREATE TABLE cart (user_id INTEGER, product_id INTEGER, quantity INTEGER, PRIMARY KEY (user_id, product_id));
CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users, address TEXT, total INTEGER);
CREATE TABLE order_items (order_id INTEGER REFERENCES orders, product_id INTEGER, quantity INTEGER);
CREATE INDEX orders_of_user ON orders (user_id);
CREATE INDEX items_of_order ON order_items (order_id);
"""

THINGS = ("lamp", "chair", "kettle", "blanket", "shelf", "teapot", "mirror", "basket", "clock", "vase")
KINDS = ("oak", "blue", "small", "large", "glass", "steel", "wool", "linen")


def password_of(name: str) -> str:
    """A customer's password; the simulated customers know theirs by it."""
    return f"{name}-likes-tea"


def hashed(password: str, salt: bytes) -> bytes:
    """What is stored of a password."""
    return hashlib.scrypt(password.encode(), salt=salt, n=1024, r=8, p=1)


def customer(number: int) -> str:
    """Name of customer 1 to CUSTOMERS."""
    return f"customer{number:02d}"


@contextmanager
def connect(path: Path) -> Iterator[sqlite3.Cursor]:
    """A cursor (instrumentation sees cursors only). Each statement commits by itself, or all from BEGIN to COMMIT."""
    connection = sqlite3.connect(path, check_same_thread=False, timeout=10, isolation_level=None)
    connection.row_factory = sqlite3.Row
    try:
        yield connection.cursor()
    finally:
        connection.close()


def create(path: Path) -> None:
    """Makes and fills the database; what was there is gone."""
    path.unlink(missing_ok=True)
    chance = random.Random(SEED)
    with connect(path) as db:
        db.executescript("PRAGMA journal_mode = WAL;" + SCHEMA)
        db.execute("BEGIN")
        names = [(customer(number), "customer") for number in range(1, CUSTOMERS + 1)]
        for name, role in [*names, ("admin", "admin")]:
            salt = chance.randbytes(16)
            row = (name, salt, hashed(password_of(name), salt), role)
            db.execute("INSERT INTO users (name, salt, password, role) VALUES (?, ?, ?, ?)", row)
        goods = [(f"{kind} {thing}", chance.randrange(500, 20_000)) for kind in KINDS for thing in THINGS]
        db.executemany("INSERT INTO products (name, price) VALUES (?, ?)", goods)
        for order in range(FIRST_ORDER, FIRST_ORDER + ORDERS):
            owner = 1 + order % CUSTOMERS
            db.execute("INSERT INTO orders VALUES (?, ?, ?, ?)", (order, owner, f"{order % 97} Mill Lane", chance.randrange(500, 40_000)))
            db.execute("INSERT INTO order_items VALUES (?, ?, ?)", (order, 1 + chance.randrange(PRODUCTS), 1))
        db.execute("COMMIT")
