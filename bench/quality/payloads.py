"""What requests say: how often benign ones look unusual, and how far attacks stand out, at several strengths."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus

import numpy as np
from numpy.typing import NDArray

from apisec_otel import _native, semconv
from apisec_otel.component import Host
from apisec_otel.processors.endpoints import Endpoints
from apisec_otel.processors.payloads import Payloads
from apisec_otel.processors.requests import Requests
from apisec_otel.processors.sessions import Sessions
from apisec_otel.spans.batch import SpanBatch
from apisec_otel.spans.columns import records
from bench.pages import ROOT
from bench.payloads import ATTACKS, SHAPES, Told, attacked, attributes
from bench.spans import answered, exported

START: Final = 1_767_225_600 * 10**9
EVERY: Final = 20_000_000
"""Nanoseconds between two requests."""
COUNT: Final = 30_000
PREFIX: Final = 4_000
"""Benign requests before the first attack."""
CLIENTS: Final = 600
SHARE: Final = 0.01
Q: Final = (1e-2, 1e-3, 1e-4)
CAPTURED: Final = [
    *(ROOT / "tests" / "data" / f"vampi_{name}.otlp.jsonl.gz" for name in ("benign_newman", "attack_arjun")),
    ROOT / "tests" / "unit" / "replay" / "data" / "vampi_attack_sqlmap.otlp.jsonl.gz",
]
PLACES: Final = ("query", "path", "body", "header")


@dataclass
class Judged:
    """A stream's p-values and what each request was: empty for benign, else kind, strength and place of the attack."""

    p: NDArray[np.float64]
    truth: list[tuple[str, str, str] | None]

    def benign(self, start: int = 0) -> NDArray[np.float64]:
        """p of the benign requests from a place on."""
        return np.array([p for p, truth in zip(self.p[start:], self.truth[start:], strict=True) if truth is None])

    def attacks(self, kind: str = "", strength: str = "", place: str = "") -> NDArray[np.float64]:
        """p of the attacks that are so."""
        wanted = (kind, strength, place)
        pairs = zip(self.p, self.truth, strict=True)
        return np.array(
            [p for p, truth in pairs if truth and all(not want or want == has for want, has in zip(wanted, truth, strict=True))]
        )


def stream(shape: str, seed: int, *, share: float = SHARE, prefix: int = PREFIX, count: int = COUNT) -> Judged:
    """A shape's traffic with this share of attacks after a prefix without."""
    chance = random.Random(f"{seed}:{shape}")
    told: list[Told] = []
    truth: list[tuple[str, str, str] | None] = []
    cases = [(kind, strength, text) for kind, each in ATTACKS.items() for strength, texts in each.items() for text in texts]
    for number in range(count):
        request = SHAPES[shape](chance)
        if number < prefix or chance.random() >= share:
            told.append(request)
            truth.append(None)
            continue
        kind, strength, text = chance.choice(cases)
        places = {"shop": PLACES, "ads": PLACES[:2]}.get(shape, PLACES[:3])
        where = chance.choice(places[:3] if kind == "tampering" else places)
        told.append(attacked(request, text, where, chance))
        truth.append((kind, strength, where))
    return Judged(_judged(told, chance), truth)


def _judged(told: Sequence[Told], chance: random.Random) -> NDArray[np.float64]:
    return _run(_batches(told, chance))


def _run(batches: Iterable[bytes]) -> NDArray[np.float64]:
    """p of each API request."""
    words = _native.Vocabulary(semconv.vocabulary_json(), bytes(range(16)))
    host = Host(vocabulary=words)
    steps: list[Any] = [kind().build(host) for kind in (Requests, Endpoints, Sessions, Payloads)]
    p: list[float] = []
    for batch in batches:
        spans = SpanBatch(_native.decode([batch], words))
        for step in steps:
            step.process(spans)
        told = records(spans.native)["payload_p"]
        p += told[~np.isnan(told)].tolist()
    return np.array(p)


def _batches(told: Sequence[Told], chance: random.Random, *, first: int = 0, version: str = "", size: int = 250) -> Iterator[bytes]:
    for at in range(0, len(told), size):
        spans = []
        for number, each in enumerate(told[at : at + size], first + at):
            client = f"203.0.{chance.randrange(CLIENTS) // 250}.{chance.randrange(250)}"
            spans.append(answered(number + 1, START + number * EVERY, {"client.address": client, **attributes(each)}))
        yield exported(spans, version)


def tpr(attacks: NDArray[np.float64], benign: NDArray[np.float64], rate: float) -> float:
    """The share of attacks that rank above all but `rate` of the benign requests; ties are no find."""
    return float((attacks < np.quantile(benign, rate)).mean()) if len(attacks) else float("nan")


def measure() -> list[str]:
    """The lines of the section."""
    seen = {shape: stream(shape, 1) for shape in SHAPES}
    lines = ["| benign requests with p under | " + " | ".join(f"{q:g}" for q in Q) + " | under 1e-4 in 10,000 |", "|---|" + "---:|" * 4]
    for shape in SHAPES:
        clean = stream(shape, 2, share=0).benign()
        cells = " | ".join(f"{(clean < q).mean():.2g}" for q in Q)
        lines.append(f"| {shape}, {len(clean):,} from the first on | {cells} | {10_000 * (clean < 1e-4).mean():.1f} |")
    lines += _captured()
    lines += ["", *_by_kind(seen), "", *_by_place(seen["shop"]), "", *_contaminated(), "", *_prefixes(), "", *_poisoned(), "", *_deployed()]
    return lines


def _captured() -> list[str]:
    """Real spans, each file from a cold start."""
    lines = []
    for file in CAPTURED:
        with gzip.open(file) as stored:
            p = _run([_native.transcode(line) for line in stored])
        cells = " | ".join(f"{(p < q).mean():.2g}" for q in Q)
        lines.append(f"| {file.name.partition('.')[0]}, {len(p):,} | {cells} | {10_000 * (p < 1e-4).mean():.0f} |")
    return lines


def _poisoned() -> list[str]:
    """The field `page` of the shop's search gets an odd character from ever other clients; then comes one with an attack beside it."""
    lines = [
        "| requests of one field with an odd `~` | p of the first ten | p of the last ten | p of SQL there, before and after |",
        "|---|---:|---:|---:|",
    ]
    for share in (0.01, 0.05, 0.3):
        chance = random.Random(5)
        odd_ones = [number >= PREFIX and chance.random() < share for number in range(COUNT)]
        told = [shop_search(chance, "3~" if odd else str(chance.randint(1, 9))) for odd in odd_ones]
        told[PREFIX - 1] = shop_search(chance, "1' OR '1'='1' -- ")
        told[-1] = told[PREFIX - 1]
        p = _judged(told, chance)
        at = np.flatnonzero(odd_ones)
        first, last = np.median(p[at[:10]]), np.median(p[at[-10:]])
        lines.append(f"| {share:.0%} | {first:.2g} | {last:.2g} | {p[PREFIX - 1]:.2g}, {p[-1]:.2g} |")
    return lines


def _deployed() -> list[str]:
    """A version that asks for new paths, with other parameters and in another form, replaces the one before at once."""
    lines = ["| a new version | p under 1e-3 | p under 1e-4 | of requests |", "|---|---:|---:|---:|"]
    for said, version in (("says that it is one", "2"), ("does not say so", "1")):
        chance = random.Random(6)
        before = [SHAPES["rest"](chance) for _ in range(PREFIX)]
        after = [_changed(SHAPES["rest"](chance), chance) for _ in range(PREFIX)]
        batches = [*_batches(before, chance, version="1"), *_batches(after, chance, first=PREFIX, version=version)]
        p = _run(batches)[PREFIX:]
        lines.append(f"| {said} | {(p < 1e-3).sum()} | {(p < 1e-4).sum()} | {len(p):,} |")
    return lines


def _changed(told: Told, chance: random.Random) -> Told:
    query = told.get("query", "").replace("status=", "filter[status]=") + f"&trace={chance.randint(1, 99)}~{chance.randint(1, 9)}"
    moved = {"path": told["path"].replace("/v1/", "/v2/shop/"), "route": told["route"].replace("/v1/", "/v2/shop/")}
    return told | moved | {"query": query.removeprefix("&")}


def shop_search(chance: random.Random, page: str) -> Told:
    """A search with this page."""
    return {"path": "/search", "route": "/search", "query": f"q={chance.choice(('lamp', 'table', 'red+shoes'))}&page={quote_plus(page)}"}


def _by_kind(seen: dict[str, Judged]) -> list[str]:
    lines = ["| attacks, after a benign prefix | " + " | ".join(seen) + " |", "|---|" + "---:|" * len(seen)]
    for kind, strengths in ATTACKS.items():
        for strength in strengths:
            cells = [_cell(each.attacks(kind, strength), each.benign(PREFIX)) for each in seen.values()]
            lines.append(f"| {kind}, {strength} | " + " | ".join(cells) + " |")
    cells = [_cell(each.attacks(), each.benign(PREFIX)) for each in seen.values()]
    return [*lines, "| all | " + " | ".join(cells) + " |"]


def _cell(attacks: NDArray[np.float64], benign: NDArray[np.float64]) -> str:
    return f"{tpr(attacks, benign, 0.01):.0%}, {(attacks < 1e-4).mean():.0%} of {len(attacks)}" if len(attacks) else "none"


def _by_place(shop: Judged) -> list[str]:
    lines = ["| attacks in the shop's | found at 1 % of benign, raised at 1e-4 |", "|---|---:|"]
    return lines + [f"| {place} | {_cell(shop.attacks(place=place), shop.benign(PREFIX))} |" for place in PLACES]


def _contaminated() -> list[str]:
    lines = ["| attacks in the learning stream, from the first request on | " + " | ".join(SHAPES) + " |", "|---|" + "---:|" * len(SHAPES)]
    for share in (0.01, 0.05):
        seen = [stream(shape, 3, share=share, prefix=0) for shape in SHAPES]
        lines.append(f"| {share:.0%} | " + " | ".join(_cell(each.attacks(), each.benign()) for each in seen) + " |")
    return lines


def _prefixes() -> list[str]:
    sizes = (100, 300, 1_000, 5_000)
    lines = ["| benign requests before the attacks | attacks in headers | all attacks |", "|---|---:|---:|"]
    for size in sizes:
        seen = stream("shop", 4, share=0.05, prefix=size, count=size + 4_000)
        benign = seen.benign(size)
        lines.append(f"| {size:,} | {_cell(seen.attacks(place='header'), benign)} | {_cell(seen.attacks(), benign)} |")
    return lines
