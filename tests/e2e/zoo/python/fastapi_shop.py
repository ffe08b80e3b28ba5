"""The shop on FastAPI: `fastapi_shop.py PORT`."""

import sys

import shop
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

app = FastAPI()


@app.get("/health")
def health() -> dict[str, object]:
    return {"ok": True}


@app.get("/api/orders/{id}")
def order(id: int) -> dict[str, object]:
    return shop.order(id)


@app.get("/api/users/{name}")
def user(name: str) -> dict[str, object]:
    return shop.user(name)


@app.get("/api/search")
def search(q: str) -> dict[str, object]:
    return shop.search(q)


@app.post("/api/login")
def login(body: dict[str, str]) -> JSONResponse:
    return JSONResponse(*shop.login(body))


@app.get("/api/me")
def me(request: Request) -> JSONResponse:
    return JSONResponse(*shop.me(request.headers.get("authorization")))


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
