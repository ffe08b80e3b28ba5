"""Customers: they look around, read their own orders, buy, mistype a password now and then, follow a dead link."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import httpx
from shop.store import PRODUCTS, THINGS, customer

from traffic.visitor import Visitor

AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_6) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/605.1.15",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Mobile Safari/537.36",
    "ShopApp/3.2 (iPhone; iOS 17.6)",
)
MISTYPES = 0.08
THINKS = 1.1
"""Median seconds between two requests of a customer."""
DEAD_LINKS = ("/products/9999", "/favicon.ico", "/sale", "/orders/1")


async def live(number: int, seed: int, http: httpx.AsyncClient, stop: asyncio.Event) -> None:
    """Customer `number` uses the shop until `stop`; what they do depends on `seed` alone."""
    chance = random.Random(f"{seed}:{number}")
    network = "203.0.113" if number % 2 else "198.51.100"
    visitor = Visitor(http, f"{network}.{10 + number}", chance.choice(AGENTS))
    await _pause(stop, chance.uniform(0, 4))
    while not stop.is_set():
        await _visit(visitor, customer(number), chance, stop)
        await _pause(stop, chance.uniform(3, 8))


async def _visit(visitor: Visitor, name: str, chance: random.Random, stop: asyncio.Event) -> None:
    await visitor.get("/products")
    if chance.random() < MISTYPES:
        await visitor.sign_in(name, "likes-tee")
        await _think(chance, stop)
    if not await visitor.sign_in(name):
        return
    for _ in range(chance.randint(15, 35)):
        if stop.is_set():
            return
        await _think(chance, stop)
        await chance.choices(DOES, WEIGHTS)[0](visitor, chance)
    await visitor.sign_out()


async def _browse(visitor: Visitor, chance: random.Random) -> None:
    await visitor.get("/products", page=chance.randrange(PRODUCTS // 10))


async def _look(visitor: Visitor, chance: random.Random) -> None:
    await visitor.get(f"/products/{_liked(chance)}")


async def _search(visitor: Visitor, chance: random.Random) -> None:
    await visitor.get("/search", q=chance.choice(THINGS))


async def _own_orders(visitor: Visitor, chance: random.Random) -> None:
    orders = (await visitor.get("/orders")).json()
    for order in chance.sample(orders, min(len(orders), chance.randint(1, 2))):
        await visitor.get(f"/orders/{order['id']}")


async def _own_account(visitor: Visitor, _: random.Random) -> None:
    await visitor.get(f"/users/{visitor.user_id}")


async def _add(visitor: Visitor, chance: random.Random) -> None:
    await visitor.request("POST", "/cart/items", json={"product_id": _liked(chance), "quantity": chance.randint(1, 3)})


async def _buy(visitor: Visitor, chance: random.Random) -> None:
    await _add(visitor, chance)
    await visitor.get("/cart")
    made = await visitor.request("POST", "/orders")
    if made.status_code == 201:
        await visitor.get(f"/orders/{made.json()['id']}")


async def _dead_link(visitor: Visitor, chance: random.Random) -> None:
    await visitor.get(chance.choice(DEAD_LINKS))


DOES: tuple[Callable[[Visitor, random.Random], Awaitable[None]], ...]
DOES = (_browse, _look, _search, _own_orders, _own_account, _add, _buy, _dead_link)
WEIGHTS = (22, 26, 12, 12, 6, 10, 4, 2)


def _liked(chance: random.Random) -> int:
    """A product; a few are liked by most."""
    return 1 + min(int(chance.expovariate(0.06)), PRODUCTS - 1)


async def _think(chance: random.Random, stop: asyncio.Event) -> None:
    await _pause(stop, min(8.0, chance.lognormvariate(0, 0.7) * THINKS))


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
