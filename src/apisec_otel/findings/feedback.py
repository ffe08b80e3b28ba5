"""What people said of findings: a file of YAML, one entry a line, that `apisec-otel feedback` writes and `decide` reads."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final, Literal, get_args

import yaml

from apisec_otel.errors import suggest

DAYS: Final = 90
"""A finding that was called false stays so for this long, unless said otherwise."""

Verdict = Literal["false_positive", "true_positive"]
Key = tuple[str, int, str]
"""Detector, entity and the endpoint's name."""

_HEAD = "# What people said of findings. `apisec-otel feedback` adds to it; `decide::feedback` reads it.\n"
_KEYS = ("finding", "verdict", "detector", "entity", "endpoint", "reason", "date")


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """One finding, and what somebody said of it."""

    finding: str
    verdict: Verdict
    detector: str
    entity: int
    endpoint: str
    reason: str
    day: date
    """When it was said."""
    until: date
    """The last day on which it holds."""


def judged_false(marked: Iterable[Marked]) -> dict[Key, Marked]:
    """Findings that were called false; what was said last holds."""
    last = {(each.detector, each.entity, each.endpoint): each for each in marked}
    return {key: each for key, each in last.items() if each.verdict == "false_positive" and each.entity}


def read(path: str) -> tuple[Marked, ...]:
    """The entries of a file, in order; none where there is no file. ValueError names the file, the line and what may stand there."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not UTF-8 text: {error}") from error
    return tuple(_entries(path, text))


def _entries(path: str, text: str) -> Iterator[Marked]:
    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ValueError(f"{path}:{line}: this is not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: this is not YAML: {error}") from error
    if root is None:
        return
    if not isinstance(root, yaml.SequenceNode):
        raise ValueError(f"{path}:{root.start_mark.line + 1}: is a list of entries, each with {', '.join(_KEYS)}")
    for node in root.value:
        try:
            yield _entry(_said(node))
        except ValueError as error:
            raise ValueError(f"{path}:{node.start_mark.line + 1}: {error}") from error


def _said(node: yaml.Node) -> dict[str, str]:
    if not isinstance(node, yaml.MappingNode) or not all(isinstance(each, yaml.ScalarNode) for pair in node.value for each in pair):
        raise ValueError(f"an entry has keys and texts: {', '.join(_KEYS)}, and perhaps until")
    return {key.value: value.value for key, value in node.value}


def _entry(said: Mapping[str, str]) -> Marked:
    for key in said:
        if key not in (*_KEYS, "until"):
            raise ValueError(f"unknown key {key!r}; {suggest(key, (*_KEYS, 'until'))}")
    if missing := [key for key in _KEYS if not said.get(key)]:
        raise ValueError(f"{', '.join(missing)} must be said")
    if said["verdict"] not in get_args(Verdict):
        raise ValueError(f"verdict: {said['verdict']!r} is unknown; {suggest(said['verdict'], get_args(Verdict))}")
    if not re.fullmatch(r"[0-9a-f]{16}", said["entity"]):
        raise ValueError(f"entity: {said['entity']!r} is none; it is the 16 digits of apisec.entity.id")
    at = _day("date", said["date"])
    until = _day("until", said["until"]) if "until" in said else at + timedelta(days=DAYS)
    texts: dict[str, Any] = {key: said[key] for key in ("finding", "verdict", "detector", "endpoint", "reason")}
    return Marked(**texts, entity=int(said["entity"], 16), day=at, until=until)


def _day(key: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{key}: {text!r} is no date; write 2027-01-31") from None


def append(path: str, marked: Marked) -> None:
    """Adds an entry; the file is always whole, and what others add at the same time stays.

    ValueError: what is there is no such file. OSError: it cannot be written.
    """
    real = Path(os.path.realpath(path))
    with _alone(real.parent):
        read(str(real))  # nothing is added to what could not be read again
        before = real.read_text(encoding="utf-8") if real.exists() else _HEAD
        beside = real.with_name(f".{real.name}.{os.getpid()}")
        try:
            _write(beside, f"{before}{'' if before.endswith(chr(10)) or not before else chr(10)}{line(marked)}")
            if real.exists():
                shutil.copymode(real, beside)
            beside.replace(real)
        finally:
            beside.unlink(missing_ok=True)


def line(marked: Marked) -> str:
    """An entry as it stands in the file."""
    said = {
        "finding": marked.finding,
        "verdict": marked.verdict,
        "detector": marked.detector,
        "entity": f"{marked.entity:016x}",
        "endpoint": marked.endpoint,
        "reason": marked.reason,
        "date": marked.day.isoformat(),
        "until": marked.until.isoformat(),
    }
    return f"- {{{', '.join(f'{key}: {_quoted(text)}' for key, text in said.items())}}}\n"


def _quoted(text: str) -> str:
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return json.dumps(safe, ensure_ascii=False)


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One writer at a time; the lock is the directory's, so that nothing is left behind."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
