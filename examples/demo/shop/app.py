"""The API. `GET /orders/{order_id}` does not ask whose order it is: OWASP API1:2023, broken object level authorization."""

import hmac
import os
import secrets
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, Field

from shop import store

DATABASE = Path(os.environ.get("SHOP_DATABASE", "shop.db"))
Row = dict[str, Any]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Starts with a fresh database."""
    store.create(DATABASE)
    yield


app = FastAPI(title="Shop", lifespan=lifespan)


def database() -> Iterator[sqlite3.Cursor]:
    """A cursor for one request. It closes after the reply is sent: too late for a commit."""
    with store.connect(DATABASE) as cursor:
        yield cursor


Database = Annotated[sqlite3.Cursor, Depends(database)]


def signed_in(db: Database, authorization: Annotated[str, Header()] = "") -> Row:
    """The user whose token the request carries; 401 without one."""
    token = authorization.removeprefix("Bearer ")
    found = db.execute("SELECT users.* FROM tokens JOIN users ON users.id = user_id WHERE token = ?", (token,)).fetchone()
    if found is None:
        raise HTTPException(401, "sign in first")
    return dict(found)


User = Annotated[Row, Depends(signed_in)]


def administrator(user: User) -> Row:
    """The same for administrators; 403 for others."""
    if user["role"] != "admin":
        raise HTTPException(403, "for administrators")
    return user


Admin = Annotated[Row, Depends(administrator)]


class Credentials(BaseModel):
    """Body of a login."""

    name: str
    password: str


class Item(BaseModel):
    """Body of an addition to the cart."""

    product_id: int
    quantity: int = Field(1, ge=1, le=20)


@app.get("/health")
def health() -> Row:
    """Says that the shop is up."""
    return {"status": "up"}


@app.post("/login")
def login(credentials: Credentials, db: Database) -> Row:
    """A token for name and password, else 401."""
    user = db.execute("SELECT * FROM users WHERE name = ?", (credentials.name,)).fetchone()
    if user is None or not hmac.compare_digest(store.hashed(credentials.password, user["salt"]), user["password"]):
        raise HTTPException(401, "wrong name or password")
    token = secrets.token_urlsafe(24)
    db.execute("INSERT INTO tokens VALUES (?, ?)", (token, user["id"]))
    return {"token": token, "user_id": user["id"]}


@app.post("/logout")
def logout(user: User, db: Database) -> Row:
    """Forgets the user's tokens."""
    db.execute("DELETE FROM tokens WHERE user_id = ?", (user["id"],))
    return {"user_id": user["id"]}


@app.get("/users/{user_id}")
def read_user(user_id: int, user: User) -> Row:
    """One's own account; 403 for another's."""
    if user_id != user["id"]:
        raise HTTPException(403, "not yours")
    return {"id": user["id"], "name": user["name"], "role": user["role"]}


@app.get("/products")
def list_products(db: Database, page: int = 0) -> list[Row]:
    """Ten products."""
    return _rows(db, "SELECT * FROM products ORDER BY id LIMIT 10 OFFSET ?", 10 * page)


@app.get("/products/{product_id}")
def read_product(product_id: int, db: Database) -> Row:
    """One product."""
    return _one(db, "SELECT * FROM products WHERE id = ?", product_id)


@app.get("/search")
def search(q: str, db: Database) -> list[Row]:
    """Products whose name has the word."""
    return _rows(db, "SELECT * FROM products WHERE name LIKE ? LIMIT 20", f"%{q}%")


@app.get("/cart")
def read_cart(user: User, db: Database) -> list[Row]:
    """What is in the cart."""
    return _rows(db, "SELECT product_id, quantity FROM cart WHERE user_id = ?", user["id"])


@app.post("/cart/items", status_code=201)
def add_to_cart(item: Item, user: User, db: Database) -> Row:
    """Puts a product into the cart."""
    _one(db, "SELECT id FROM products WHERE id = ?", item.product_id)
    db.execute("INSERT OR REPLACE INTO cart VALUES (?, ?, ?)", (user["id"], item.product_id, item.quantity))
    return item.model_dump()


@app.delete("/cart/items/{product_id}")
def remove_from_cart(product_id: int, user: User, db: Database) -> Row:
    """Takes a product out of the cart."""
    db.execute("DELETE FROM cart WHERE user_id = ? AND product_id = ?", (user["id"], product_id))
    return {"product_id": product_id}


@app.post("/orders", status_code=201)
def order(user: User, db: Database) -> Row:
    """Orders what is in the cart; 409 when it is empty."""
    items = _rows(db, "SELECT product_id, quantity, price FROM cart JOIN products ON id = product_id WHERE user_id = ?", user["id"])
    if not items:
        raise HTTPException(409, "the cart is empty")
    total = sum(item["quantity"] * item["price"] for item in items)
    db.execute("BEGIN IMMEDIATE")
    made = db.execute("INSERT INTO orders (user_id, address, total) VALUES (?, ?, ?)", (user["id"], "12 Mill Lane", total)).lastrowid
    db.executemany("INSERT INTO order_items VALUES (?, ?, ?)", [(made, item["product_id"], item["quantity"]) for item in items])
    db.execute("DELETE FROM cart WHERE user_id = ?", (user["id"],))
    db.execute("COMMIT")
    return {"id": made, "total": total}


@app.get("/orders")
def list_orders(user: User, db: Database) -> list[Row]:
    """One's own orders, the latest ten."""
    return _rows(db, "SELECT id, total FROM orders WHERE user_id = ? ORDER BY id DESC LIMIT 10", user["id"])


@app.get("/orders/{order_id}")
def read_order(order_id: int, _: User, db: Database) -> Row:
    """One order with its items. The flaw: anybody's, whoever asks."""
    found = _one(db, "SELECT * FROM orders WHERE id = ?", order_id)
    return found | {"items": _rows(db, "SELECT product_id, quantity FROM order_items WHERE order_id = ?", order_id)}


@app.get("/admin/users")
def list_users(_: Admin, db: Database) -> list[Row]:
    """All accounts."""
    return _rows(db, "SELECT id, name, role FROM users")


@app.get("/admin/orders")
def list_all_orders(_: Admin, db: Database) -> list[Row]:
    """The latest hundred orders of everybody."""
    return _rows(db, "SELECT * FROM orders ORDER BY id DESC LIMIT 100")


def _rows(db: sqlite3.Cursor, query: str, *values: object) -> list[Row]:
    return [dict(row) for row in db.execute(query, values)]


def _one(db: sqlite3.Cursor, query: str, value: object) -> Row:
    found = db.execute(query, (value,)).fetchone()
    if found is None:
        raise HTTPException(404, "there is no such thing")
    return dict(found)
