"""What becomes of a signal: told, told otherwise, on trial, allowed, or not told of at all. Asked once for each signal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_network
from typing import Final

from apisec_otel.findings.feedback import Marked, judged_false
from apisec_otel.findings.finding import Hash, Raised, Suppressed
from apisec_otel.findings.patterns import Address, Network, matches, within
from apisec_otel.findings.repeats import Repeats, Row
from apisec_otel.findings.severity import Level
from apisec_otel.findings.tuning import ALL, Allow, Mode, Override, Where
from apisec_otel.telemetry import Telemetry

log = logging.getLogger(__name__)

NANO: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The request that a signal was raised on, as far as configuration can ask. Keys are keyed hashes; 0 is not known."""

    service: str
    endpoint: str
    principal: int
    client: int
    address: Address | None
    user_agent: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a signal is told."""

    level: Level
    held: Suppressed | None = None
    """`shadow` or `allowlist`; None: as any other."""
    trial: bool = False
    """On trial and no repeat: it would have been shown."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a line of configuration applied."""

    name: str
    """`override 1`, `allow 2`, or `feedback` and the finding's id."""
    reason: str
    until: date | None
    matched: int

    def is_over(self, now: int) -> bool:
        """Whether it holds no longer at stream time `now` (ns)."""
        return self.until is not None and now >= end_of(self.until)


class Policy:
    """Overrides, allowed callers and findings that people called false; counts what it holds back.

    `trials` remembers what detectors on trial would have shown, apart from what was shown.
    """

    def __init__(
        self,
        overrides: Sequence[Override] = (),
        allow: Sequence[Allow] = (),
        marked: Iterable[Marked] = (),
        *,
        keyed_hash: Hash,
        trials: Callable[[], Repeats],
        telemetry: Telemetry | None = None,
    ) -> None:
        self._overrides = [_Rule(f"override {at}", each.reason, None, each, keyed_hash) for at, each in enumerate(overrides, 1)]
        self._changes = [(rule, each) for rule, each in zip(self._overrides, overrides, strict=True)]
        self._allowed = [_Rule(f"allow {at}", each.reason, each.until, each, keyed_hash) for at, each in enumerate(allow, 1)]
        false = judged_false(marked)
        self._false = {key: _Entry(f"feedback {each.finding}", each.reason, each.until) for key, each in false.items()}
        self._make_trials, self._telemetry = trials, telemetry or Telemetry()
        self._trials = trials()

    def judge(self, signal: Raised, endpoint: int, about: Callable[[], Subject], now: int) -> Verdict | None:
        """How a signal raised at stream time `now` (ns) is told; None: not at all. `about` is asked only where a rule asks."""
        subject = about() if self._overrides or self._allowed or self._false else None
        mode: Mode = "shadow" if signal.shadow else "alert"
        level, q = Level(signal.severity), 1.0
        for rule, change in self._changes if subject else ():
            if rule.applies(signal.detector, subject):
                rule.matched += 1
                mode, q = change.mode or mode, change.q or q
                level = Level.of(change.severity) if change.severity else level
        if mode == "off" or (signal.stated and signal.p >= q):
            self._telemetry.add("apisec_signals_withheld", detector=signal.detector, reason="off" if mode == "off" else "q")
            return None
        if subject and self._is_allowed(signal, subject, now):
            return Verdict(level, "allowlist")
        return self._on_trial(signal, endpoint, level, now) if mode == "shadow" else Verdict(level)

    def _is_allowed(self, signal: Raised, subject: Subject, now: int) -> bool:
        for entry in self._entries(signal, subject):
            if entry.is_over(now):
                entry.tell_over()
                continue
            entry.matched += 1
            self._telemetry.add("apisec_allowed", entry=entry.name.partition(" ")[0] if entry.is_feedback else entry.name)
            return True
        return False

    def _entries(self, signal: Raised, subject: Subject) -> Iterator[_Entry]:
        yield from (rule for rule in self._allowed if rule.applies(signal.detector, subject))
        if (entry := self._false.get((signal.detector, signal.entity, subject.endpoint))) is not None:
            yield entry

    def _on_trial(self, signal: Raised, endpoint: int, level: Level, now: int) -> Verdict:
        first = not self._trials.seen((signal.detector, signal.entity, endpoint), level, now)
        if first:
            self._telemetry.add("apisec_shadow_findings", detector=signal.detector)
        return Verdict(level, "shadow", first)

    def tallies(self) -> list[Tally]:
        """How often each line of configuration applied since the start."""
        entries = [*self._overrides, *self._allowed, *self._false.values()]
        return [Tally(each.name, each.reason, each.until, each.matched) for each in entries]

    def restart(self) -> None:
        """Forgets what was on trial."""
        self._trials = self._make_trials()

    def rows(self) -> Iterator[list[Row]]:
        """What is remembered of trials, in pieces."""
        return self._trials.rows()

    def take(self, rows: Iterable[Row]) -> None:
        """Remembers what another one did."""
        self._trials.take(rows)


class _Entry:
    """A line of configuration, and how often it applied."""

    def __init__(self, name: str, reason: str, until: date | None) -> None:
        self.name, self.reason, self.until = name, reason, until
        self.matched = 0
        self._end = None if until is None else end_of(until)
        self._told = False

    @property
    def is_feedback(self) -> bool:
        """Whether people said it of a finding."""
        return self.name.startswith("feedback ")

    def is_over(self, now: int) -> bool:
        """Whether it holds no longer."""
        return self._end is not None and now >= self._end

    def tell_over(self) -> None:
        """Says once that what it held back shows again."""
        if not self._told:
            self._told = True
            log.warning("decide: %s held until %s: what it allowed is told again (%s)", self.name, self.until, self.reason)


class _Rule(_Entry):
    """An entry that says itself which signals it is for."""

    def __init__(self, name: str, reason: str, until: date | None, where: Where, keyed_hash: Hash) -> None:
        super().__init__(name, reason, until)
        self._where = where
        self._all = ALL in where.detectors
        self._principals = frozenset(int(text, 16) for text in where.principal or ())
        self._networks: list[Network] = [ip_network(text, strict=False) for text in where.client or ()]
        # One address is known by its key also where the request's texts have gone.
        alone = (network for network in self._networks if network.num_addresses == 1)
        self._clients = frozenset(keyed_hash(network.network_address.packed) for network in alone)

    def applies(self, detector: str, subject: Subject | None) -> bool:
        """Whether it is for this detector's signal on this request."""
        where = self._where
        return (
            subject is not None
            and (self._all or detector in where.detectors)
            and _fits(where.endpoint, subject.endpoint)
            and _fits(where.service, subject.service)
            and _fits(where.user_agent, subject.user_agent)
            and (not self._principals or subject.principal in self._principals)
            and (not self._networks or self._has(subject))
        )

    def _has(self, subject: Subject) -> bool:
        if subject.client in self._clients:
            return True
        return subject.address is not None and within(subject.address, self._networks)


def _fits(patterns: Sequence[str] | None, text: str) -> bool:
    return not patterns or any(matches(pattern, text) for pattern in patterns)


def end_of(day: date) -> int:
    """The first moment (ns since 1970) after a day, UTC."""
    after = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    return int(after.timestamp()) * NANO
