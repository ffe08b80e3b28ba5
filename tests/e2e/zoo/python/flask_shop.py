"""The shop on Flask: `flask_shop.py PORT [SECOND]`; orders ask a second service for their stock when its address is given."""

import sys
import urllib.request

import shop
from flask import Flask, request

app = Flask("shop")
SECOND = sys.argv[2] if len(sys.argv) > 2 else ""


@app.get("/health")
def health() -> dict[str, object]:
    return {"ok": True}


@app.get("/api/orders/<int:id>")
def order(id: int) -> dict[str, object]:
    if SECOND:
        urllib.request.urlopen(f"{SECOND}/api/stock/{id}").read()
    return shop.order(id)


@app.get("/api/stock/<int:id>")
def stock(id: int) -> dict[str, object]:
    return {"id": id, "left": id % 7}


@app.get("/api/users/<name>")
def user(name: str) -> dict[str, object]:
    return shop.user(name)


@app.get("/api/search")
def search() -> dict[str, object]:
    return shop.search(request.args["q"])


@app.post("/api/login")
def login() -> tuple[dict[str, object], int]:
    return shop.login(request.get_json())


@app.get("/api/me")
def me() -> tuple[dict[str, object], int]:
    return shop.me(request.headers.get("authorization"))


if __name__ == "__main__":
    app.run("127.0.0.1", int(sys.argv[1]))
