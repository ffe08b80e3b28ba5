"""Generates traffic of a shop, a bank and a tracker for companies, with attacks in it, as OTLP.

    python -m examples.lab --out lab-out                       one day with all attacks, two files
    python -m examples.lab --out lab-out --days 7 --attacks none --gzip
    python -m examples.lab --to http://localhost:4318 --speed 60 --attacks bola,auth.bruteforce

`--list` prints the catalogue of attacks. Files are read by `apisec-otel replay`; the same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from examples.lab.attacks.scene import STRENGTHS
from examples.lab.catalogue import catalogue, chosen, uncovered
from examples.lab.lab import PLACES, Lab, Setting
from examples.lab.simulation import START
from examples.lab.sinks import Days, SinkError, sender

DAY: Final = 86_400


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line and makes what it asks for; 0 when all of it was made."""
    options, setting = options_of(arguments)
    if options.list:
        _list()
        return 0
    try:
        return _into_files(setting, options) if options.out else _live(setting, options)
    except (OSError, SinkError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def options_of(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, Setting]:
    """What a command line asks for; it says what is wrong and ends (SystemExit) where something is."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.list and bool(options.out) == bool(options.to):
        parser.error("say either --out DIR or --to ENDPOINT")
    try:
        return options, _setting(options)
    except ValueError as error:
        parser.error(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m examples.lab", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write day-N.otlp.pb and day-N.truth.jsonl there")
    parser.add_argument("--to", metavar="ENDPOINT", help="send live: http://host:4318 (OTLP/HTTP) or host:4317 (gRPC)")
    parser.add_argument("--days", type=int, default=1, metavar="N", help="how many days (1)")
    parser.add_argument("--quiet-days", type=int, default=0, metavar="N", help="so many first days are without attacks (0)")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="the same seed makes everybody do the same (7)")
    parser.add_argument("--environment", action="append", choices=list(PLACES), help="only this one; may be repeated (all)")
    parser.add_argument("--attacks", default="all", metavar="LIST", help="all, none, or families and ids with commas between (all)")
    parser.add_argument("--strengths", default=",".join(STRENGTHS), metavar="LIST", help=f"of {', '.join(STRENGTHS)} (all)")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="of 5,000 principals and 200,000 requests a day (1)")
    parser.add_argument("--gzip", action="store_true", help="compress the files of traces")
    parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="live: seconds of traffic in a second (1)")
    parser.add_argument("--truth", type=Path, metavar="FILE", help="live: write the lines of truth there")
    parser.add_argument("--list", action="store_true", help="print the catalogue of attacks and end")
    return parser


def _setting(options: argparse.Namespace) -> Setting:
    strengths = tuple(filter(None, options.strengths.split(",")))
    if unknown := [each for each in strengths if each not in STRENGTHS]:
        raise ValueError(f"--strengths: no strength {unknown[0]!r}; there are {', '.join(STRENGTHS)}")
    if options.days < 1 or options.quiet_days < 0:
        raise ValueError("--days is 1 or more, --quiet-days 0 or more")
    if not 0.001 <= options.scale <= 10:
        raise ValueError("--scale is from 0.001 to 10")
    if options.speed <= 0:
        raise ValueError("--speed is greater than 0")
    return Setting(
        seed=options.seed,
        days=options.days,
        quiet_days=options.quiet_days,
        places=options.environment or tuple(PLACES),
        attacks=chosen(options.attacks),
        strengths=strengths,
        scale=options.scale,
        start=START if options.out else _live_start(options),
    )


def _live_start(options: argparse.Namespace) -> float:
    """So that what is sent last is of now: a day at 60 times the speed begins 23 h 36 min ago."""
    lasts = options.days * DAY
    return time.time() - lasts + lasts / options.speed if options.speed > 1 else time.time()


def _into_files(setting: Setting, options: argparse.Namespace) -> int:
    with Days(options.out, setting.start, setting.days, options.gzip) as files:
        lab = Lab(setting, on_truth=files.truth)
        said = _progress(lab)
        for at, request in lab.records():
            files.record(at, request)
            said(at)
    _sum_up(lab)
    print(f"files: {options.out}", file=sys.stderr)
    return 0


def _live(setting: Setting, options: argparse.Namespace) -> int:
    lines = options.truth.open("w", encoding="utf-8") if options.truth else None
    with sender(options.to) as send:
        lab = Lab(setting, on_truth=(lambda at, told: lines.write(told)) if lines else lambda at, told: None)
        said, begun = _progress(lab), time.monotonic()
        for at, request in lab.records():
            due = begun + (at - setting.start) / options.speed
            time.sleep(max(0.0, due - time.monotonic()))
            send(request)
            said(at)
    if lines:
        lines.close()
    _sum_up(lab)
    return 0


def _progress(lab: Lab) -> Callable[[float], None]:
    """Says the hour that is made, on a line of its own."""
    told = -1

    def said(at: float) -> None:
        nonlocal told
        hour = int((at - lab.setting.start) // 3600)
        if hour > told:
            told = hour
            made = lab.made
            print(f"day {hour // 24 + 1} {hour % 24:02}:00  {made.requests:,} requests, {made.spans:,} spans", file=sys.stderr)

    return said


def _sum_up(lab: Lab) -> None:
    made, setting = lab.made, lab.setting
    shares = ", ".join(f"{name} {count:,}" for name, count in made.places.items())
    print(f"requests: {made.requests:,} ({shares}), of attacks {made.attacks:,}; spans: {made.spans:,}", file=sys.stderr)
    if missing := uncovered(setting.attacks, _detectors()):
        print(f"uncovered: {', '.join(missing)}", file=sys.stderr)


def _detectors() -> Sequence[str]:
    from apisec_otel.builtin import known

    return list(known("detectors"))


def _list() -> None:
    covered = _detectors()
    for id, entry in catalogue().items():
        state = "uncovered" if uncovered([id], covered) else "covered"
        print(
            json.dumps(
                {
                    "attack": id,
                    "what": entry.what,
                    "detectors": entry.detectors,
                    "spans": entry.spans,
                    "request": entry.request,
                    "state": state,
                }
            )
        )
