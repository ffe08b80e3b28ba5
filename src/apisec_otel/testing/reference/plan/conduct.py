"""How a session goes about its requests, one row after the other, written for reading: sets, lists and dicts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import exp, lgamma, log, sqrt
from typing import Any

import numpy as np

from apisec_otel.plan.kernels.conduct import CHANNELS, FEATURES
from apisec_otel.testing.reference.plan.pointwise import NAN

CONDUCT = "conduct"
OPERANDS = 13
SESSION_WORDS, USUAL_WORDS, POPULATION_WORDS = 37, 6, 79
SECOND = 1_000_000_000
_SILENCE = 300 * SECOND
_POPULATIONS = 0x706F_7075_6C61_7465
_PRIOR = 6
_SLOWEST = 300.0
_PRIORS = {
    "pace": (0.0, 1.1, 0.45), "nopause": (-0.45, 0.60, 0.25), "flat": (-1.0, 0.80, 0.25), "narrow": (0.16, 0.14, 0.06),
    "reread": (0.0, 1.0, 0.35), "jump": (0.40, 0.46, 0.18), "again": (0.06, 0.22, 0.08), "noback": (-0.20, 0.40, 0.12),
    "fresh": (0.65, 0.47, 0.15), "bare": (0.0, 0.30, 0.15), "fail": (0.02, 0.14, 0.06), "unknown": (0.02, 0.14, 0.06),
}  # fmt: skip
_GROUPS = (FEATURES[:5], FEATURES[5:9], FEATURES[9:10], FEATURES[10:])
_NULLS = {
    "rhythm": ((0.30, 0.12, 0.45, 0.15), (18.0, 2.0)),
    "restless": ((0.70, 0.13, 0.90, 0.13), (0.985 * 20, (1 - 0.985) * 20)),
    "unloaded": ((0.25, 0.18, 0.50, 0.22), (0.98 * 20, (1 - 0.98) * 20)),
}
_WALKS = {"probe": (0.25, 0.70), "fuzz": (0.30, 0.70)}
_ZERO = np.float32(0)
_ABOUT = ("role", "ok", "wait", "load", "queries")

Trials = tuple[float, float, float]
Vote = tuple[str, int, float, int]


@dataclass
class Means:
    """Votes on a feature: how many, and sums of means, squared means, variances, inverse trials."""

    sums: list[float] = field(default_factory=lambda: [0.0] * 5)

    def teach(self, trials: float, total: float, squares: float) -> None:
        """One session's vote."""
        if trials >= 3:
            mean = total / trials
            variance = max(0.0, (squares - trials * mean * mean) / (trials - 1))
            self.sums = [a + b for a, b in zip(self.sums, (1, mean, mean * mean, variance, 1 / trials), strict=True)]

    def usual(self, prior: Trials) -> Trials:
        """Mean, variance within, variance between."""
        votes, means, squares, variances, inverses = self.sums
        apart = max(0.0, (squares - means * means / votes) / (votes - 1) - variances / votes * inverses / votes) if votes >= 3 else 0.0
        mean, within, between = prior
        weight = _PRIOR + votes
        return (
            (_PRIOR * mean + means) / weight,
            (_PRIOR * within * within + variances) / weight,
            (_PRIOR * between * between + votes * apart) / weight,
        )


@dataclass
class Population:
    """What the sessions of a service do."""

    means: dict[str, Means] = field(default_factory=lambda: {name: Means() for name in (*FEATURES, *_NULLS)})
    waits: list[float] = field(default_factory=lambda: [0.0, 0.0])
    loads: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def null(self, channel: str) -> tuple[float, float]:
        """The beta distribution of people's shares."""
        mean, deviation, most, widest = _NULLS[channel][0]
        taught, _, between = self.means[channel].usual((mean, 0.4, deviation))
        mean = min(max(taught, mean), most)
        deviation = min(max(sqrt(between), deviation), widest, 0.9 * sqrt(mean * (1 - mean)))
        weight = mean * (1 - mean) / (deviation * deviation) - 1
        return mean * weight, (1 - mean) * weight


@dataclass
class Usual:
    """What is known of an endpoint, or of a population."""

    votes: dict[str, list[Any]] = field(default_factory=lambda: {about: [_ZERO, _ZERO] for about in _ABOUT})
    population: Population | None = None

    def spilled(self) -> int:
        """A population's words."""
        return 0 if self.population is None else POPULATION_WORDS

    def known(self, about: str) -> tuple[float, float]:
        """Sum and number of votes."""
        total, votes = self.votes[about]
        return float(total), float(votes)


@dataclass
class Session:
    """One session."""

    last: int | None = None
    among: int = 0
    paths: set[int] = field(default_factory=set)
    shapes: set[int] = field(default_factory=set)
    endpoints: set[int] = field(default_factory=set)
    since: int | None = None
    page: int = 0
    here: int | None = None
    before: int | None = None
    parent: int = 0
    stem: int = 0
    wait: Any = None
    usual: Any = None
    waits: Any = _ZERO
    bins: list[int] = field(default_factory=lambda: [0] * 24)
    trials: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*FEATURES, *CHANNELS), 0))
    sums: dict[str, Any] = field(default_factory=lambda: dict.fromkeys(FEATURES, _ZERO))
    squares: dict[str, Any] = field(default_factory=lambda: dict.fromkeys(FEATURES, _ZERO))
    hits: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CHANNELS, 0))
    walks: dict[str, Any] = field(default_factory=lambda: dict.fromkeys(_WALKS, _ZERO))
    best: dict[str, Any] = field(default_factory=lambda: dict.fromkeys(CHANNELS, _ZERO))
    voted: int = 0
    queries: int = 0
    queried: int = 0
    pages: int = 0
    loads: int = 0
    refused: int = 0
    fresh: bool = False
    seen: bool = False
    loaded: bool = False
    taught: bool = False

    def spilled(self) -> int:
        """It grows nowhere."""
        return 0

    def add(self, feature: str, value: float) -> None:
        """One trial of a feature."""
        self.trials[feature] += 1
        self.sums[feature] = self.sums[feature] + np.float32(value)
        self.squares[feature] = self.squares[feature] + np.float32(value * value)

    def of(self, feature: str) -> Trials:
        """Trials, sum and sum of squares."""
        return float(self.trials[feature]), float(self.sums[feature]), float(self.squares[feature])


class Watch:
    """The node: sessions in one table, what is usual in another, votes until the next second."""

    def __init__(self, index: int, flagged: Callable[[int, int], bool]) -> None:
        self.index = index
        self.votes: list[Vote] = []
        self.due: list[tuple[int, int]] = []
        self._flagged = flagged

    def row(self, args: list[Any], row: Mapping[str, Any], sessions: Any, usual: Any) -> dict[str, float]:
        """Every answer of a counted row; nothing of another."""
        path, parent, stem, shape, endpoint, among, *flags, by, teacher, where = args
        refused, asset, automatic, nested = (flag == 1 for flag in flags)
        path, stem = path or endpoint, stem or path
        if where != 1 or by == 0 or row.get("late") or not path:
            return {}
        time = row["time"]
        entry = sessions.visit(by, time)
        session: Session = entry.cells.setdefault(self.index, Session())
        if session.last is None:
            self.due.append((time + _SILENCE, by))
        known = self._usual(usual, endpoint)
        population = self._population(usual, among)
        gap = None if session.last is None else time - session.last
        total, votes = known.known("role")
        role = (2 * (0.15 if asset else 0.7) + total) / (2 + votes)
        new_path = _meet(session.paths, path, 256)
        new_endpoint = endpoint != 0 and _meet(session.endpoints, endpoint, 64)
        if new_endpoint:
            if gap is not None:
                self._vote("role", endpoint, float(gap >= SECOND), among)
            if session.refused < 13:
                self._vote("ok", endpoint, float(not refused), among)
        accepted, votes_on = known.known("ok")
        new_shape = shape != 0 and _meet(session.shapes, shape, 256)
        unknown = refused and (new_path or new_shape) and not ((votes_on >= 5 and accepted < 0.5 * votes_on) or automatic)
        session.refused = min(13, session.refused + refused)
        session.add("fail", float(refused))
        session.add("unknown", float(unknown))
        if new_path or new_shape:
            _walk(session, "probe", unknown)
        if shape != 0 and not new_path:
            self._queries(session, endpoint, known, new_shape)
        session.loads = min(255, session.loads + (role < 0.5))
        if session.since is not None and gap is not None:
            session.since += gap // 1_000_000
        if role >= 0.5 and (gap is None or gap >= SECOND or votes >= 5):
            if session.since is not None and session.since <= 1_800_000:
                left = self._usual(usual, session.page)
                self._page(session, (path, parent, stem), (among, nested, new_path), left, population)
            session.seen, session.fresh, session.loaded = not new_path, new_endpoint, False
            session.before, session.here = session.here, _short(path)
            session.parent, session.stem, session.page, session.since = _short(parent), _short(stem), endpoint, 0
            session.pages += 1
        else:
            session.loaded = True
        session.last = time
        session.among = session.among or among
        session.taught = session.taught or self._flagged(teacher, time)
        return answers(session, population)

    def _queries(self, session: Session, endpoint: int, known: Usual, new_shape: bool) -> None:
        if session.voted == endpoint or session.queries < 3:
            if session.voted != endpoint:
                session.voted, session.queries, session.queried = endpoint, 0, 0
            if session.queries < 255:
                session.queries += 1
                session.queried += new_shape
        varied, votes = known.known("queries")
        if votes < 5 or varied <= 0.3 * votes:
            _walk(session, "fuzz", new_shape)

    def _page(self, s: Session, way: tuple[int, int, int], what: tuple[int, bool, bool], left: Usual, population: Population) -> None:
        (path, parent, stem), (among, nested, new_path) = way, what
        passed = (s.since or 0) / 1e3
        wait = log(min(max(passed, 0.5), _SLOWEST))
        usual = (6 * log(12.0) + population.waits[0]) / (6 + population.waits[1])
        unloaded = not s.loaded
        if s.fresh:
            self._vote("wait", s.page, wait, among)
            if s.loads >= 2:
                self._vote("load", s.page, float(unloaded), among)
        same = _short(path) == s.here
        earlier = s.trials["pace"]
        s.add("pace", usual - wait)
        s.add("nopause", -max(0.0, wait - usual))
        if s.wait is not None and not same:
            s.add("flat", -abs(wait - float(s.wait - np.float32(1))))
        at = min(23, int(max(0.0, (wait + 0.7) / 0.2679)))
        counted = sum(s.bins)
        if counted >= 2 and not same:
            near = s.bins[at] + 0.5 * ((s.bins[at - 1] if at else 0) + (s.bins[at + 1] if at < 23 else 0))
            s.add("narrow", near / counted)
        if not same:
            if s.bins[at] == 255:
                s.bins = [one // 2 for one in s.bins]
            s.bins[at] += 1
        if earlier:
            more = wait - float(s.waits) / earlier
            s.add("reread", more if s.seen else -more)
        s.waits = s.waits + np.float32(wait)
        s.wait = np.float32(wait + 1)
        self._loads(s, left, population, unloaded)
        s.add("jump", float(not (same or _short(parent) == s.stem or _short(stem) == s.parent or (_short(parent) == s.parent and nested))))
        s.add("again", float(same))
        if s.before is not None:
            s.add("noback", -float(_short(path) == s.before and not same))
        s.add("fresh", float(new_path))
        if not same:
            before = None if s.usual is None else float(s.usual - np.float32(1))
            if before is not None:
                _trial(s, "rhythm", abs(wait - before) < 0.2 and passed >= 1, population)
            s.usual = np.float32((wait if before is None else before + 0.25 * (wait - before)) + 1)
            _trial(s, "restless", passed < 10, population)

    def _loads(self, s: Session, left: Usual, population: Population, unloaded: bool) -> None:
        among = (2.5 + population.loads[0]) / (5 + population.loads[1])
        total, votes = left.known("load")
        usual = (3 * among + total) / (3 + votes)
        if votes >= 5 or population.loads[1] >= 30:
            s.add("bare", float(unloaded) - usual)
        if usual < 0.5 and votes >= 5:
            _trial(s, "unloaded", unloaded, population)

    def tick(self, now: int, sessions: Any, usual: Any) -> None:
        """Votes take effect; who was silent for five minutes teaches."""
        votes, self.votes = self.votes, []
        for about, endpoint, value, among in votes:
            known: Usual = usual.visit(endpoint, now).cells.setdefault(self.index, Usual())
            total, number = known.votes[about]
            share = np.float32(1 if number < 60_000 else 0.5)
            known.votes[about] = [share * (total + np.float32(value)), share * (number + np.float32(1))]
            if about in ("wait", "load") and among:
                tallied = self._taught(usual, among, now)
                counts = tallied.waits if about == "wait" else tallied.loads
                counts[0] += float(np.float32(value))
                counts[1] += 1
        while self.due and min(self.due)[0] <= now:
            due, key = min(self.due)
            self.due.remove((due, key))
            session: Session | None = sessions.cells(key, self.index)
            if session is None or session.last is None:
                continue
            if session.last + _SILENCE > now:
                self.due.append((session.last + _SILENCE, key))
            elif not session.taught and not self._flagged(key, due) and session.among:
                self._close(session, self._taught(usual, session.among, due))

    def _close(self, session: Session, population: Population) -> None:
        session.taught = True
        browses = session.loads >= 2
        if session.queries >= 3 and session.best["fuzz"] < 5:
            self._vote("queries", session.voted, session.queried / session.queries, session.among)
        for feature in FEATURES:
            if feature != "bare" or browses:
                population.means[feature].teach(*session.of(feature))
        for channel, ((mean, deviation, _, _), _) in _NULLS.items():
            trials = session.trials[channel]
            if channel != "unloaded" or browses:
                hits = min(session.hits[channel], (mean + 2 * deviation) * trials)
                population.means[channel].teach(trials, hits, hits)

    def _vote(self, about: str, endpoint: int, value: float, among: int) -> None:
        if endpoint:
            self.votes.append((about, endpoint, float(np.float32(value)), among))

    def _usual(self, usual: Any, key: int) -> Usual:
        return usual.cells(key, self.index) or Usual()

    def _population(self, usual: Any, among: int) -> Population:
        return self._usual(usual, mix(among, _POPULATIONS)).population or Population()

    def _taught(self, usual: Any, among: int, now: int) -> Population:
        known: Usual = usual.visit(mix(among, _POPULATIONS), now).cells.setdefault(self.index, Usual())
        known.population = known.population or Population()
        return known.population


def answers(s: Session, population: Population) -> dict[str, float]:
    """Every answer as of a session's last row."""
    out: dict[str, float] = {"pages": float(s.pages)}
    deviations: dict[str, float] = {}
    for feature in FEATURES:
        number, total, _ = s.of(feature)
        mean, within, between = population.means[feature].usual(_PRIORS[feature])
        spread = sqrt(number * within + number * number * between + 1e-9)
        deviations[feature] = min(4.0, max(-1.5, (total - number * mean) / spread)) if number else 0.0
        out |= {f"deviation.{feature}": deviations[feature], f"usual.{feature}": mean}
        out[f"mean.{feature}"] = total / number if number else NAN
    groups = [sum(deviations[feature] for feature in group) / sqrt(len(group) + len(group) * (len(group) - 1) / 2) for group in _GROUPS]
    out["score"] = sum(groups) / 2
    out["evidence"] = log(sum(exp(min(60.0, float(best))) for best in s.best.values()) / len(CHANNELS))
    for channel in CHANNELS:
        null = _WALKS[channel][0] if channel in _WALKS else (ab := population.null(channel))[0] / sum(ab)
        hits = float(s.sums["unknown"]) if channel == "probe" else float(s.hits[channel])
        out |= {f"best.{channel}": float(s.best[channel]), f"hits.{channel}": hits}
        out |= {f"trials.{channel}": float(s.trials[channel]), f"null.{channel}": null}
    return out


def mix(a: int, b: int) -> int:
    """The id of a pair; 0 when either is missing."""
    if not a or not b:
        return 0
    mask = 2**64 - 1
    x = ((a ^ ((b << 23 | b >> 41) & mask)) * 0xD6E8_FEB8_6659_FD93) & mask
    return (x ^ (x >> 32)) | 1


def _walk(session: Session, channel: str, hit: bool) -> None:
    people, machine = _WALKS[channel]
    gain = log(machine / people) if hit else log((1 - machine) / (1 - people))
    session.trials[channel] += 1
    session.hits[channel] += hit
    session.walks[channel] = np.float32(max(-1.0, float(session.walks[channel]) + gain))
    session.best[channel] = max(session.best[channel], session.walks[channel])


def _trial(session: Session, channel: str, hit: bool, population: Population) -> None:
    session.trials[channel] += 1
    session.hits[channel] += hit
    hits, trials = session.hits[channel], session.trials[channel]

    def likelihood(a: float, b: float) -> float:
        return lgamma(a + hits) + lgamma(b + trials - hits) - lgamma(a + b + trials) - lgamma(a) - lgamma(b) + lgamma(a + b)

    gained = np.float32(likelihood(*_NULLS[channel][1]) - likelihood(*population.null(channel)))
    session.best[channel] = max(session.best[channel], gained)


def _meet(met: set[int], id: int, bits: int) -> bool:
    place = (id >> 3) % bits
    new = place not in met
    met.add(place)
    return new


def _short(id: int) -> int:
    return id >> 32 | 1


def missing(values: Mapping[str, float], part: str) -> float:
    """The answer, NaN where there is none."""
    value = values.get(part, NAN)
    return value if math.isfinite(value) else NAN
