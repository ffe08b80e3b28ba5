"""Plays a minute or so in the life of the shop, then three attacks, one after another, while life goes on.

    python -m traffic http://127.0.0.1:8000 [--seconds 60] [--people 40] [--seed 7]        (in examples/demo)

Prints a JSON object a line: {"requests": 123} once a second, {"attack": name, "client": address, "state": "begins"} and
"ends", {"done": true} at the end. The same seed makes everybody do the same, though not in the very same order.
"""

import argparse
import asyncio
import json
from typing import Any

import httpx

from traffic import attacks, people
from traffic.visitor import Visitor

BETWEEN_ATTACKS = 2.0


def say(**what: Any) -> None:
    """Prints one line."""
    print(json.dumps(what), flush=True)


async def _report() -> None:
    while True:
        await asyncio.sleep(1)
        say(requests=Visitor.sent)


async def play(base: str, seconds: float, crowd: int, seed: int) -> None:
    """All of it."""
    stop = asyncio.Event()
    limits = httpx.Limits(max_connections=50, keepalive_expiry=2)  # uvicorn hangs up after 5 s
    async with httpx.AsyncClient(base_url=base, timeout=30, limits=limits) as http, asyncio.TaskGroup() as tasks:
        report = tasks.create_task(_report())
        for number in range(1, crowd + 1):
            tasks.create_task(people.live(number, seed, http, stop))
        await asyncio.sleep(seconds)
        for attack in attacks.ATTACKS:
            say(attack=attack.name, client=attack.client, state="begins")
            await attacks.launch(attack, seed, http)
            say(attack=attack.name, client=attack.client, state="ends")
            await asyncio.sleep(BETWEEN_ATTACKS)
        stop.set()
        report.cancel()
    say(requests=Visitor.sent)
    say(done=True)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("base")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    asyncio.run(play(options.base, options.seconds, options.people, options.seed))


if __name__ == "__main__":
    main()
