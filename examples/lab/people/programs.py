"""Programs with a key: partners that poll and fetch all that is theirs, hooks, bots; and crawlers and scanners, which have none."""

from __future__ import annotations

from random import Random

from examples.lab.calls import Caller
from examples.lab.people.visit import Steps, Visit, key_of
from examples.lab.place import Place
from examples.lab.population import PROGRAMS, hosted_address

POLLED = {"partner": "GET /api/partner/orders", "aggregator": "GET /v1/accounts", "bot": "GET /notifications"}
FETCHED = {"partner": "GET /api/partner/orders/{id}", "aggregator": "GET /v1/accounts/{id}", "bot": "GET /issues/{id}"}
EVERY = {"partner": 240.0, "aggregator": 240.0, "bot": 600.0}
"""Seconds between two looks for news."""
CRAWLERS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
)
PROBED = (
    "/.env", "/.git/config", "/wp-login.php", "/wp-admin/", "/phpmyadmin/", "/actuator/env", "/server-status", "/.aws/credentials",
    "/config.json", "/admin", "/login.action", "/cgi-bin/luci", "/boaform/admin/formLogin",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php", "/api/.env", "/solr/admin/info/system", "/HNAP1", "/owa/auth/logon.aspx",
    "/manager/html", "/backup.zip", "/.DS_Store", "/druid/index.html", "/console/",
)  # fmt: skip
SCANNER_AGENTS = (
    "Mozilla/5.0", "Mozilla/5.0 zgrab/0.x", "python-requests/2.31.0", "Go-http-client/1.1", "curl/7.81.0",
    "Mozilla/5.0 (compatible; CensysInspect/1.1)", "",
)  # fmt: skip


def program(visit: Visit) -> Steps:
    """Looks for news at fixed times, fetches what is new, and at night walks through all that is its own."""
    chance, person, kind = visit.chance, visit.person, visit.person.kind
    caller = visit.caller
    caller.address, caller.agent, caller.token = person.office, PROGRAMS[person.number % len(PROGRAMS)], key_of(person)
    caller.user, caller.role, caller.tenant = person.user, person.role, f"t{person.tenant}" if kind == "bot" else ""
    wait, every = chance.uniform(0, EVERY[kind]), EVERY[kind] * chance.uniform(0.7, 1.4)
    walked, night = -1, chance.uniform(1, 4)
    while True:
        yield wait, visit.call(POLLED[kind], query=f"since={int(visit.now)}" if kind != "aggregator" else "")
        for _ in range(chance.randrange(3)):
            yield chance.uniform(0.1, 0.5), visit.call(FETCHED[kind], chance.choice(person.objects))
        if kind == "bot" and chance.random() < 0.2:
            yield chance.uniform(0.1, 1), visit.call("POST /issues/{id}/comments", chance.choice(person.objects), status=201)
        day, hour = int(visit.now // 86_400), visit.now % 86_400 / 3600
        if day != walked and hour >= night and visit.now:
            walked = day
            if kind != "bot" or person.number % 4 == 0:
                yield from _all_of_it(visit)
        wait = every + chance.uniform(-1, 1) + (chance.expovariate(1 / 600) if chance.random() < 0.01 else 0)


def _all_of_it(visit: Visit) -> Steps:
    """All its own objects in the order of their numbers, as fast as they come; a limit of the server slows it down at times."""
    for number in list(visit.person.objects):
        if visit.chance.random() < 0.004:
            yield 0.1, visit.call(FETCHED[visit.person.kind], number, status=429)
            yield 30.0, visit.call(FETCHED[visit.person.kind], number)
        yield (
            visit.chance.uniform(0.15, 0.4),
            visit.call(FETCHED[visit.person.kind], number, status=404 if visit.chance.random() < 0.01 else 200),
        )


def hooks(place: Place, chance: Random, every: float) -> Steps:
    """What other companies tell the place of when something happens there: every so many seconds, in the mean."""
    name = "POST /api/hooks/carrier" if place.api.name == "shop" else "POST /hooks/ci"
    callers = [
        Caller(hosted_address(chance), "hooks/2.1", f"{place.api.name}/hook/{number}", "hook", session=f"hook {number}")
        for number in range(4)
    ]
    while True:
        yield (
            chance.expovariate(1 / every),
            place.call(chance, chance.choice(callers), name, status=200 if chance.random() < 0.985 else 409),
        )


def crawler(place: Place, chance: Random, label: str) -> Steps:
    """A search engine, through the public pages; much of what it remembers is gone."""
    caller = Caller(
        f"66.249.{64 + chance.randrange(30)}.{chance.randrange(255)}",
        chance.choice(CRAWLERS),
        f"{place.api.name}/crawler",
        "crawler",
        session=label,
    )
    yield 0.0, place.missing(chance, caller, "GET", "/robots.txt")
    for _ in range(chance.randint(40, 160)):
        gone = chance.random() < 0.07
        yield (
            chance.lognormvariate(1.6, 0.5),
            place.call(chance, caller, "GET /api/products/{id}", chance.randrange(9000), status=404 if gone else 200),
        )


def scanner(place: Place, chance: Random, label: str) -> Steps:
    """The noise that every address on the internet hears: a few files that might lie about."""
    caller = Caller(hosted_address(chance), chance.choice(SCANNER_AGENTS), f"{place.api.name}/noise", "noise", session=label)
    for path in chance.sample(PROBED, min(len(PROBED), 1 + int(chance.expovariate(1 / 5)))):
        yield chance.uniform(0.2, 3), place.missing(chance, caller, "GET", path, status=404)
