"""Sessions of people, machines and integrations on a made-up site: who is raised, how soon, and how they rank."""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from apisec_otel import _native
from apisec_otel.detectors.session_conduct import SessionConduct
from apisec_otel.detectors.session_evidence import SessionEvidence
from apisec_otel.plan.build import plans
from apisec_otel.plan.draft import Chosen

START: Final = 1_767_225_600
SECTIONS, ITEMS = 8, 14
PEOPLE: Final = 900
SHARES: Final = (0.1, 0.3, 0.5)
QUANTILES: Final = (1e-2, 1e-3, 1e-4)

Visit = list[tuple[float, str, str, int]]
"""Seconds since the session began, path, query and status of each request."""


def _item(chance: random.Random) -> str:
    return f"/s{chance.randrange(SECTIONS)}/i{chance.randrange(ITEMS)}"


def _page(visit: Visit, at: float, path: str, chance: random.Random, cached: set[str] | None, status: int = 200) -> None:
    """A page, and what a browser loads with it that it has not kept."""
    visit.append((at, path, "", status))
    if cached is not None:
        for file in ("/app.css", "/app.js", f"{path}.png", "/api/me"):
            if file not in cached and chance.random() < 0.9:
                visit.append((at + chance.uniform(0.03, 0.4), file, "", 200))
            if file != "/api/me":
                cached.add(file)


def person(chance: random.Random) -> Visit:
    """Reads, goes back through lists, waits long and short, reads less where he was before."""
    visit: Visit = []
    cached: set[str] = set()
    pace, spread = math.log(12) + chance.gauss(0, 0.45), chance.uniform(0.8, 1.3)
    at, path, seen = 0.0, "/", set[str]()
    for _ in range(3 + int(chance.expovariate(1 / 16))):
        missing = chance.random() < 0.01
        _page(visit, at, "/gone" if missing else path, chance, cached, 404 if missing else 200)
        wait = math.exp(chance.gauss(pace - (0.6 if path in seen else 0), spread))
        at += min(1500, max(0.6, wait))
        seen.add(path)
        path = _next(path, chance)
    return visit


def _next(path: str, chance: random.Random) -> str:
    section, _, item = path.strip("/").partition("/")
    draw = chance.random()
    if not section:
        return f"/s{chance.randrange(SECTIONS)}"
    if not item:
        return f"/{section}/i{chance.randrange(ITEMS)}" if draw < 0.75 else "/"
    if draw < 0.6:
        return f"/{section}"
    return f"/{section}/i{chance.randrange(ITEMS)}" if draw < 0.8 else chance.choice(("/", path, _item(chance)))


def _machine(waits: Callable[[random.Random], float], loads: bool = False) -> Callable[[random.Random], Visit]:
    def visit(chance: random.Random) -> Visit:
        made: Visit = []
        at, cached = 0.0, set[str]() if loads else None
        for _ in range(60):
            _page(made, at, _item(chance), chance, cached)
            at += waits(chance)
        return made

    return visit


def crawler(chance: random.Random) -> Visit:
    """Every page once, in order, one a second or so."""
    paths = [f"/s{section}/i{item}" for section in range(SECTIONS) for item in range(ITEMS)]
    return [(at * 1.2 + chance.uniform(0, 0.4), path, "", 200) for at, path in enumerate(paths[:80])]


def probe(chance: random.Random) -> Visit:
    """Files that might have been left lying about; a few are there."""
    return [(at * 0.5, f"/old{chance.randrange(10**6)}", "", 404 if chance.random() < 0.95 else 200) for at in range(60)]


def fuzz(chance: random.Random) -> Visit:
    """One search, asked in form after form."""
    letters = "abcdefghijklmnop"
    asked = ("".join(chance.choice(letters + "'\"<(;%-") for _ in range(9)) for _ in range(60))
    return [(at * 0.8, "/search", f"q={one}", 200) for at, one in enumerate(asked)]


def poll(chance: random.Random) -> Visit:
    """The same address again and again."""
    return [(at * 30.0, "/api/feed", f"since={chance.randrange(10**9)}", 200) for at in range(60)]


def sync(chance: random.Random) -> Visit:
    """A list, page by page, as fast as it answers; then a pause."""
    pages = ((run * 900.0 + page * chance.uniform(0.1, 0.4), "/api/orders", f"page={page}") for run in range(4) for page in range(15))
    return [(at, path, query, 200) for at, path, query in sorted(pages)]


def webhook(chance: random.Random) -> Visit:
    """Told whenever something happens."""
    at, visit = 0.0, Visit()
    for _ in range(50):
        visit.append((at, "/api/hook", "", 200 if chance.random() < 0.97 else 409))
        at += chance.expovariate(1 / 20)
    return visit


MACHINES: Final[dict[str, Callable[[random.Random], Visit]]] = {
    "regular": _machine(lambda chance: 4 + chance.uniform(-0.1, 0.1)),
    "random delay": _machine(lambda chance: chance.expovariate(1 / 5)),
    "slow and low": _machine(lambda chance: chance.lognormvariate(math.log(60), 0.8)),
    "in a browser": _machine(lambda chance: chance.uniform(2, 6), loads=True),
    "crawler": crawler,
    "probe": probe,
    "fuzz": fuzz,
}
INTEGRATIONS: Final[dict[str, Callable[[random.Random], Visit]]] = {"poll": poll, "sync": sync, "webhook": webhook}


@dataclass
class Seen:
    """What was said of each session's requests, in order."""

    kind: dict[int, str]
    rank: dict[int, list[float]]
    p: dict[int, list[float]]

    def raised(self, kind: str, q: float = 1e-4) -> tuple[float, float]:
        """Share of the sessions of a kind with p under q, and the median request of the first time."""
        first = [next((at for at, p in enumerate(self.p[key], 1) if p < q), None) for key, its in self.kind.items() if its == kind]
        found = [at for at in first if at is not None]
        return len(found) / len(first), median(found) if found else math.nan

    def above(self, kind: str) -> float:
        """The chance that a session of a kind ranks above a person's (AUC), sessions without a rank left out."""
        mine, people = (np.array([self.rank[key][-1] for key, its in self.kind.items() if its == one]) for one in (kind, "person"))
        mine, people = mine[mine > 0], people[people > 0]
        return float((mine[:, None] > people).mean() + (mine[:, None] == people).mean() / 2) if len(mine) and len(people) else math.nan


Rows = Sequence[tuple[float, int, str, str, int]]
"""Time, session, path, query and status of each request."""


def stream(share: float, seed: int, people: int = PEOPLE) -> Seen:
    """What is said of the sessions of people, and of machines a share of all, over a day; integrations beside them."""
    return _judged(*traffic(share, seed, people))


def traffic(share: float, seed: int, people: int = PEOPLE) -> tuple[Rows, dict[int, str]]:
    """Their requests in order of time, and of which kind each session is."""
    chance = random.Random(seed)
    each = max(1, round(people * share / (1 - share) / len(MACHINES)))
    makers = [("person", person)] * people + [item for item in MACHINES.items() for _ in range(each)]
    makers += [item for item in INTEGRATIONS.items() for _ in range(max(1, people // 60))]
    rows, kinds = [], {}
    for number, (kind, make) in enumerate(makers, 1):
        key = _id(f"session {number}")
        begun = START + chance.uniform(0, 36_000)
        kinds[key] = kind
        rows += [(begun + at, key, path, query, status) for at, path, query, status in make(chance)]
    return sorted(rows), kinds


def _judged(rows: Rows, kinds: dict[int, str]) -> Seen:
    chosen = [Chosen(id="conduct", detector=SessionConduct()), Chosen(id="evidence", detector=SessionEvidence())]
    plan = _native.Plan(plans(chosen).steps.spec)
    times = np.array([round(at * 1e9) for at, *_ in rows], np.int64)
    answers = plan.run_columns(dict(columns(rows)), times, None, True)
    rank, *_ = (np.frombuffer(one, np.float64) for one in answers.ranks if one)
    scores = np.max([np.frombuffer(one, np.float64) for one in answers.scores[1:]], axis=0)
    seen = Seen(kinds, {key: [] for key in kinds}, {key: [] for key in kinds})
    for (_, key, *_), ranked, score in zip(rows, rank.tolist(), scores.tolist(), strict=True):
        seen.rank[key].append(ranked if ranked == ranked else 0.0)
        seen.p[key].append(10 ** (-12 * score))
    return seen


def columns(rows: Rows) -> Iterator[tuple[str, NDArray[Any]]]:
    """What the product understands of them."""
    paths = [path for _, _, path, _, _ in rows]
    status = np.array([float(status) for *_, status in rows])
    yield "session", np.array([key for _, key, *_ in rows], np.uint64)
    yield "path", _ids(paths)
    yield "path_parent", _ids([path.rpartition("/")[0] for path in paths])
    yield "path_stem", _ids([path.rpartition(".")[0] or path for path in paths])
    yield "query_shape", np.array([_id(path + "?" + _shape(query)) if query else 0 for _, _, path, query, _ in rows], np.uint64)
    yield "endpoint", _ids([_template(path) for path in paths])
    yield "service", np.full(len(rows), _id("shop"), np.uint64)
    yield "status", status
    yield "failed", np.where(status >= 400, 1, -1).astype(np.int8)
    yield "asset", np.array([1 if path.endswith((".css", ".js", ".png")) else -1 for path in paths], np.int8)
    yield "automatic", np.full(len(rows), -1, np.int8)
    yield "nested", np.array([1 if path.count("/") >= 3 else -1 for path in paths], np.int8)


def _template(path: str) -> str:
    parts = path.split("/")
    return "/".join("{}" if len(part) > 1 and part[1:].isdigit() and part[0] in "io" else part for part in parts)


def _shape(query: str) -> str:
    out = ""
    for letter in query:
        kind = "a" if letter.isalnum() else letter
        out += kind if kind != "a" or not out.endswith("a") else ""
    return out


def _ids(texts: Sequence[str]) -> NDArray[np.uint64]:
    return np.array([_id(text) for text in texts], np.uint64)


def _id(text: str) -> int:
    low, high = zlib.crc32(text.encode()), zlib.crc32(b"x" + text.encode())
    return (high << 32 | low) * 0x9E37_79B9_7F4A_7C15 % 2**64 | 1


def measure() -> list[str]:
    """The lines of the section."""
    found = {share: stream(share, 7) for share in SHARES}
    lines = ["| sessions | " + " | ".join(f"{share:.0%} machines" for share in SHARES) + " |", "|---|" + "---:|" * len(SHARES)]
    for kind in ("person", *MACHINES, *INTEGRATIONS):
        cells = [_cell(seen, kind) for seen in found.values()]
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "| people's requests with p under | " + " | ".join(f"{q:g}" for q in QUANTILES) + " |",
        "|---|" + "---:|" * len(QUANTILES),
    ]
    for share, seen in found.items():
        p = np.concatenate([seen.p[key] for key, kind in seen.kind.items() if kind == "person"])
        lines.append(f"| {share:.0%} machines, {len(p):,} requests | " + " | ".join(f"{(p < q).mean():.2g}" for q in QUANTILES) + " |")
    return lines


def _cell(seen: Seen, kind: str) -> str:
    share, first = seen.raised(kind)
    raised = f"{share:.0%} raised" + ("" if math.isnan(first) else f" at request {first:.0f}")
    above = seen.above(kind)
    return raised if kind == "person" else f"{raised}; ranks above {above:.0%} of people" if not math.isnan(above) else f"{raised}; no rank"
