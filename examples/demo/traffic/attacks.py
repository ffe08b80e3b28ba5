"""Four attackers, each from an address of their own: 192.0.2.0/24, which nobody else has."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

import httpx
from shop.store import CUSTOMERS, FIRST_ORDER, customer

from traffic.visitor import Visitor

AT_ONCE = 4
WORDS = ("spring", "summer", "winter", "dragon", "letmein", "welcome", "monkey", "qwerty", "sunshine", "football")
PATHS = (
    *("/.env", "/.env.local", "/.git/config", "/.git/HEAD", "/.aws/credentials", "/.svn/entries", "/.DS_Store", "/.htpasswd"),
    *("/wp-login.php", "/wp-admin/", "/xmlrpc.php", "/phpmyadmin/", "/pma/", "/adminer.php", "/server-status", "/cgi-bin/test"),
    *("/actuator/env", "/actuator/health", "/actuator/heapdump", "/jolokia/list", "/console", "/manager/html", "/solr/", "/jenkins/"),
    *("/swagger.json", "/swagger-ui.html", "/api-docs", "/v2/api-docs", "/graphql", "/graphiql", "/debug/pprof/", "/metrics"),
    *("/backup.zip", "/backup.sql", "/db.sqlite", "/dump.sql", "/config.yml", "/config.json", "/web.config", "/id_rsa"),
    *("/api/v1/users", "/api/v1/admin", "/api/internal/users", "/internal/", "/private/", "/test", "/old", "/staging"),
    *("/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php", "/owa/auth/logon.aspx", "/remote/login", "/hudson/script"),
)

INJECTIONS = (
    *("lamp'", "lamp' AND '1'='1", "lamp' AND '1'='2", "lamp' ORDER BY 3-- ", "lamp' ORDER BY 9-- "),
    *("lamp' UNION SELECT 1,2,3-- ", "lamp' UNION SELECT name,sql,3 FROM sqlite_master-- "),
    *("lamp' UNION SELECT name,password,salt FROM users-- ", "lamp') OR ('1'='1", "lamp' OR 1=1-- "),
    *("lamp'; DROP TABLE orders-- ", "lamp' AND randomblob(100000000)-- "),
)


@dataclass(frozen=True)
class Attack:
    """What happens, and from where."""

    name: str
    client: str
    agent: str
    run: Callable[[Visitor, random.Random], Awaitable[None]]


async def brute_force(visitor: Visitor, chance: random.Random) -> None:
    """Eighty guesses at one customer's password, eight a second."""
    guesses = [chance.choice(WORDS) + str(chance.randrange(100)) for _ in range(80)]
    await _send((visitor.sign_in(customer(7), guess) for guess in guesses), 8)


async def enumerate_orders(visitor: Visitor, _: random.Random) -> None:
    """A customer reads 200 orders, one id after the other, 25 a second: nearly all are others'."""
    await visitor.sign_in(customer(CUSTOMERS))
    await _send((visitor.get(f"/orders/{FIRST_ORDER + number}") for number in range(200)), 25)


async def scan_paths(visitor: Visitor, _: random.Random) -> None:
    """Looks for files and consoles that should not be reachable, twelve a second."""
    await _send((visitor.get(path) for path in PATHS), 12)


async def inject_sql(visitor: Visitor, _: random.Random) -> None:
    """Tries whether a search is made into SQL as it stands, six tries a second. It is not."""
    await _send((visitor.get("/search", q=text) for text in INJECTIONS), 6)


ATTACKS = (
    Attack("login brute force", "192.0.2.10", "python-requests/2.32.3", brute_force),
    Attack("order id enumeration", "192.0.2.20", "ShopApp/3.2 (iPhone; iOS 17.6)", enumerate_orders),
    Attack("path scan", "192.0.2.30", "Mozilla/5.0 (compatible; scanner)", scan_paths),
    Attack("search injection", "192.0.2.40", "Mozilla/5.0 (X11; Linux x86_64) Chrome/126.0", inject_sql),
)


async def launch(attack: Attack, seed: int, http: httpx.AsyncClient) -> None:
    """Carries out one attack."""
    await attack.run(Visitor(http, attack.client, attack.agent), random.Random(f"{seed}:{attack.name}"))


async def _send(requests: Iterable[Coroutine[Any, Any, object]], per_second: float) -> None:
    """Sends at this rate, a few at a time when the shop is slower than that."""
    few = asyncio.Semaphore(AT_ONCE)
    clock = asyncio.get_running_loop().time
    begin = clock()

    async def one(request: Coroutine[Any, Any, object]) -> None:
        try:
            await request
        finally:
            few.release()

    async with asyncio.TaskGroup() as tasks:
        for number, request in enumerate(requests):
            await asyncio.sleep(begin + number / per_second - clock())
            await few.acquire()
            tasks.create_task(one(request))
