"""Durations as Go writes them: `30m`, `1h30m`, `500ms`."""

import re
from datetime import timedelta

UNITS = {"ns": 0.001, "us": 1.0, "µs": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6, "h": 3600e6, "d": 86400e6}
"""In microseconds. `d` is ours; Go has none."""

PATTERN = r"^[-+]?(0|(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d))+)$"
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")


def parse_duration(value: object) -> timedelta:
    """Reads `1h30m`; raises ValueError with what is allowed instead."""
    text = str(value).strip()
    if not re.match(PATTERN, text):
        hint = f"; {text} of what?" if re.fullmatch(r"\d+(\.\d+)?", text) else ""
        raise ValueError(f"a duration is a number with a unit (ns, us, ms, s, m, h, d), as in 30m or 1h30m{hint}")
    microseconds = sum(float(number) * UNITS[unit] for number, unit in _PART.findall(text))
    return timedelta(microseconds=-microseconds if text.startswith("-") else microseconds)


def format_duration(value: timedelta) -> str:
    """Writes it as `parse_duration` reads it: `1h30m`."""
    left = value // timedelta(microseconds=1)
    if not left:
        return "0s"
    parts = ["-"] if left < 0 else []
    left = abs(left)
    for unit in ("d", "h", "m", "s", "ms", "us"):
        count, left = divmod(left, int(UNITS[unit]))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
