"""The exceptions of apisec-otel, and how each is worded: what, where, what instead."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


class ApisecError(Exception):
    """Base of every error that apisec-otel raises on purpose; its text is meant for the user."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in the configuration."""

    path: str
    """Keys from the top, joined by `::`, as in the Collector."""
    what: str
    """The sentence: what is wrong and what is allowed instead."""
    place: str = ""
    """`file:line`, or the `--set` that said it; empty when it is nowhere written."""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.path, self.what) if part)


class ConfigError(ApisecError):
    """The configuration cannot be used; holds all problems found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ComponentError(ApisecError):
    """A component could not be imported, built or started; the text names it."""


class SettingsError(ComponentError):
    """Settings of one component that cannot be used together, or not here: each with the keys that lead to it below the component."""

    def __init__(self, problems: Sequence[tuple[Sequence[str], str]]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(": ".join(("::".join(path), what)) for path, what in problems))


class RefusedError(ApisecError):
    """A component refuses the request: the sender hears it, and nothing of it was observed."""

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        self.retryable = retryable
        super().__init__(message)


def suggest(word: str, allowed: Iterable[str]) -> str:
    """Tells what may stand in the place of `word`, the likeliest first: ends a sentence about an unknown name."""
    names = sorted(allowed)
    near = get_close_matches(word, names, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{hint}allowed: {', '.join(names)}" if names else f"{hint}nothing is allowed here"
