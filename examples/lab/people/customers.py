"""People who buy: in browsers and in the app, signed in or not."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote_plus

from examples.lab.people.visit import Steps, Visit

GOODS = 4000
WORDS = (
    "red", "shoes", "winter coat", "kids", "phone case", "usb c cable", "lamp", "o'neill", "coffee & tea", "rock'n'roll shirt",
    "tv 55\"", "sofa", "50% off", "bike", "men's boots", "select comfort pillow", "tea cup",
)  # fmt: skip


def shopper(visit: Visit) -> Steps:
    """Looks around in a browser; some sign in, some buy."""
    chance = visit.chance
    yield from visit.burst([partial(visit.call, name) for name in ("GET /api/home", "GET /api/recommendations")], 0)
    signed = chance.random() < 0.45
    if signed:
        yield from visit.sign_in() if chance.random() < 0.4 else visit.come_back()
        yield from visit.burst([partial(visit.call, name) for name in ("GET /api/me", "GET /api/cart")], 0.1)
    for _ in range(1 + int(chance.expovariate(1 / 4.5))):
        yield from _looks(visit)
        if signed:
            yield from visit.fresh()
            yield from _own(visit)


def _looks(visit: Visit) -> Steps:
    chance, draw = visit.chance, visit.chance.random()
    if draw < 0.3:
        yield from search(visit)
    elif draw < 0.55:
        yield from visit.pages("GET /api/products", query=f"category={chance.randrange(30)}&page={{}}")
    elif draw < 0.58:
        yield from visit.typo()
    product = min(GOODS, int(chance.paretovariate(0.7)))
    status = 404 if chance.random() < 0.01 else 200
    yield visit.pause(8), visit.call("GET /api/products/{id}", product, status=status)
    yield chance.uniform(0.02, 0.3), visit.call("GET /api/products/{id}/reviews", product)


def search(visit: Visit) -> Steps:
    """Searches, letter by letter now and then, as boxes that suggest do."""
    words = visit.chance.choice(WORDS)
    typed = [words[: len(words) - left] for left in (4, 2, 0)] if visit.chance.random() < 0.25 and len(words) > 5 else [words]
    wait = visit.pause(7)
    for each in typed:
        yield wait, visit.call("GET /api/search", query=f"q={quote_plus(each)}", fill=each.replace("'", "''"))
        wait = visit.chance.uniform(0.15, 0.6)


def _own(visit: Visit) -> Steps:
    chance, person = visit.chance, visit.person
    draw = chance.random()
    if draw < 0.25 and person.objects:
        yield visit.pause(6), visit.call("GET /api/orders", query="page=1")
        for order in chance.sample(person.objects, min(len(person.objects), chance.randint(1, 3))):
            yield visit.pause(7), visit.call("GET /api/orders/{id}", order)
    elif draw < 0.45:
        yield visit.pause(9), visit.call("POST /api/cart/items", status=201)
        yield 0.1, visit.call("GET /api/cart")
        if chance.random() < 0.4:
            yield from _buys(visit)
    elif draw < 0.48:
        yield visit.pause(25), visit.call("PATCH /api/me", status=200 if chance.random() < 0.85 else 422)
    elif draw < 0.5:
        yield visit.pause(5), visit.call("GET /api/users/{id}/profile", person.user)


def _buys(visit: Visit) -> Steps:
    if visit.chance.random() < 0.2:
        yield visit.pause(15), visit.call("POST /api/coupons", status=200 if visit.chance.random() < 0.6 else 404)
    yield visit.pause(30), visit.call("POST /api/orders", status=201)
    declined = visit.chance.random() < 0.06
    yield visit.pause(15), visit.call("POST /api/payments", status=402 if declined else 201)
    if declined:
        yield visit.pause(40), visit.call("POST /api/payments", status=201)
    visit.person.objects.append(max(visit.person.objects, default=400_000) + visit.chance.randint(1, 400))


def app(visit: Visit) -> Steps:
    """The app: it loads ahead what might be looked at, all at once, each time it comes to the front."""
    chance, person = visit.chance, visit.person
    yield from visit.come_back()
    for _ in range(1 + int(chance.expovariate(1 / 2.5))):
        start = ["GET /api/home", "GET /api/me", "GET /api/cart", "GET /api/recommendations"]
        yield from visit.burst([partial(visit.call, name) for name in start], visit.pause(45))
        ahead = [
            partial(visit.call, "GET /api/products/{id}", min(GOODS, int(chance.paretovariate(0.7)))) for _ in range(chance.randint(2, 5))
        ]
        yield from visit.burst(ahead, 0.2)
        yield from visit.fresh()
        if chance.random() < 0.3:
            recent = [partial(visit.call, "GET /api/orders/{id}", order) for order in person.objects[-6:]]
            yield from visit.burst([partial(visit.call, "GET /api/orders"), *recent], visit.pause(10))
        if chance.random() < 0.5:
            yield from _looks(visit)
        yield from _own(visit)
