"""A sender that never gives up and keeps a journal of what was acknowledged, for tests that kill one side.

    python -m parts.sender grpc|http ENDPOINT JOURNAL --batches 200 --spans 20 [--first 0] [--gzip] [--until FILE]        (in tests/e2e)

Each batch is sent again, the same bytes, until it is accepted. A line `batch NUMBER attempts COUNT` goes into JOURNAL
after its acknowledgement. Ends early once FILE exists.
Exits 1 when a batch is refused for good or an hour of tries has passed.
"""

import argparse
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from parts import spans
from parts.raw import GrpcClient, HttpClient, Reply

PAUSE = threading.Event()
LONGEST_PAUSE = 0.2


@dataclass(frozen=True)
class Acknowledged:
    """One line of the journal."""

    batch: int
    attempts: int


def read_journal(journal: Path) -> list[Acknowledged]:
    """The batches that were acknowledged so far."""
    lines = journal.read_text().split("\n")[:-1] if journal.exists() else []
    return [Acknowledged(int(words[1]), int(words[3])) for words in map(str.split, lines)]


def body(number: int, count: int, now: int) -> bytes:
    """The bytes of a batch, the same at every try."""
    return spans.batch(number * count, count, now).SerializeToString()


def insist(client: GrpcClient | HttpClient, request: bytes, seconds: float) -> tuple[Reply, int]:
    """Sends until accepted, refused for good or out of time; answers the last reply and the number of tries."""
    deadline = time.monotonic() + seconds
    attempts = 0
    while True:
        attempts += 1
        reply = client.export(request)
        if reply.accepted or not reply.retryable or time.monotonic() > deadline:
            return reply, attempts
        PAUSE.wait(min(LONGEST_PAUSE, reply.retry_after or 0.02 * attempts))


def main() -> None:
    """Sends all batches in order, or those before it is told to end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("protocol", choices=["grpc", "http"])
    parser.add_argument("endpoint")
    parser.add_argument("journal", type=Path)
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--spans", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--gzip", action="store_true")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--until", type=Path)
    options = parser.parse_args()
    client = {"grpc": GrpcClient, "http": HttpClient}[options.protocol](options.endpoint, options.gzip)
    now = time.time_ns()
    with options.journal.open("a") as journal:
        for number in range(options.first, options.first + options.batches):
            if options.until and options.until.exists():
                break
            reply, attempts = insist(client, body(number, options.spans, now), options.seconds)
            if not reply.accepted:
                raise SystemExit(f"batch {number} refused after {attempts} tries: {reply}")
            journal.write(f"batch {number} attempts {attempts}\n")
            journal.flush()


if __name__ == "__main__":
    main()
