"""CPU of apisec-otel beside a Collector that only forwards, in one run.

Each round starts every system under test afresh, sends the same traffic through it (gRPC, 16 KiB frames) to the
same sink, and reads the CPU time of the process alone. The figure is CPU-seconds per million spans; the ratio is to
the Collector in the same round, the median over the rounds is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.pages import ROOT, between

HERE = Path(__file__).resolve().parent
LOAD = ROOT / "target" / "release" / "otlp-load"


@dataclass(frozen=True)
class Case:
    """One kind of traffic and the bar for our share of the Collector's CPU."""

    name: str
    spans: int
    requests: int
    bar: float
    gzip: bool = False
    attacks: float = 0.01


CASES = (
    Case("32 plain", 32, 20_000, 0.45),
    Case("512 plain", 512, 4_000, 0.25),
    Case("8192 plain", 8192, 240, 0.30),
    Case("512 gzip, 1 % flagged", 512, 3_000, 0.15, gzip=True),
    Case("512 gzip, all flagged", 512, 3_000, 0.25, gzip=True, attacks=1.0),
)
SYSTEMS = ("collector", "pass-through", "apisec-otel")


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = 30) -> None:
    """Returns once the port answers; raises when the process ends or time is up."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"{process.args!r} ended with {process.returncode} before it listened")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"{process.args!r} did not listen on {port} within {seconds:.0f} s")


def command(system: str, gzip: bool) -> list[str]:
    """The command line of a system under test; addresses come through the environment."""
    if system.startswith("collector"):
        suffix = "-gzip" if gzip else ""
        return [os.environ["OTELCOL"], "--config", str(HERE / f"{system}{suffix}.yaml")]
    config = HERE / ("passthrough.yaml" if system == "pass-through" else "pipeline.yaml")
    return [sys.executable, "-m", "apisec_otel", "run", "--config", str(config)]


@contextmanager
def started(words: list[str], port: int, **env: str) -> Iterator[psutil.Process]:
    """A child process that listens on `port`, ended on exit."""
    paths = os.pathsep.join(filter(None, [str(HERE / "synthetic"), os.environ.get("PYTHONPATH")]))
    child = subprocess.Popen(words, env={**os.environ, **env, "PYTHONPATH": paths}, stdout=subprocess.DEVNULL)
    try:
        wait_for(port, child)
        yield psutil.Process(child.pid)
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()


def cpu(process: psutil.Process) -> float:
    """User and system seconds of the process and its ended and living children."""
    times = process.cpu_times()
    return float(times.user + times.system + sum(sum(c.cpu_times()[:2]) for c in process.children(recursive=True)))


def send(port: int, case: Case, requests: int, rate: float = 0, connections: int = 4) -> dict[str, float]:
    """Drives a server; returns spans, failed, seconds and latencies in ms."""
    words = [str(LOAD), "send", f"127.0.0.1:{port}", "--spans", str(case.spans), "--requests", str(requests)]
    words += ["--connections", str(connections), "--attacks", str(case.attacks), "--rate", str(rate)] + ["--gzip"] * case.gzip
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    if result["failed"]:
        raise SystemExit(f"{case.name}: {result['failed']:.0f} requests failed\n{done.stderr}")
    return result


@contextmanager
def sink() -> Iterator[int]:
    """A backend that answers success."""
    port = free_port()
    with started([str(LOAD), "sink", f"127.0.0.1:{port}"], port):
        yield port


@contextmanager
def under_test(system: str, case: Case) -> Iterator[tuple[int, psutil.Process]]:
    """A system under test before a fresh sink: its port and process."""
    with sink() as backend:
        port = free_port()
        names = {"IN": f"127.0.0.1:{port}", "OUT": f"127.0.0.1:{backend}", "COMPRESSION": "gzip" if case.gzip else "none"}
        with started(command(system, case.gzip), port, HEALTH=f"127.0.0.1:{free_port()}", METRICS=str(free_port()), **names) as process:
            yield port, process


def cost(system: str, case: Case, scale: float) -> tuple[float, float]:
    """CPU-seconds per million spans and resident MB after the run."""
    with under_test(system, case) as (port, process):
        send(port, case, max(int(case.requests * scale) // 10, 40))
        before = cpu(process)
        spans = send(port, case, max(int(case.requests * scale), 80))["spans"]
        time.sleep(0.5)  # a Collector with a queue has answered before it has sent
        return (cpu(process) - before) / spans * 1e6, process.memory_info().rss / 1e6


def latency(system: str | None, rate: float, seconds: float) -> tuple[float, float]:
    """p50 and p99 in ms at a fixed rate of spans a second; None sends straight to the sink."""
    case = Case("latency", 512, 0, 0)
    requests = int(rate * seconds / case.spans)
    if system is None:
        with sink() as port:
            seen = send(port, case, requests, rate)
    else:
        with under_test(system, case) as (port, _):
            send(port, case, 100)
            seen = send(port, case, requests, rate)
    return seen["p50"], seen["p99"]


def measure(rounds: int, scale: float) -> list[str]:
    """The lines of the table."""
    lines = [
        "| spans a request | " + " | ".join(SYSTEMS) + " | ratio | bar | reached | MB resident |",
        "|---|" + "---:|" * (len(SYSTEMS) + 4),
    ]
    for case in CASES:
        rows: dict[str, list[tuple[float, float]]] = {system: [] for system in SYSTEMS}
        for number in range(rounds):
            for system in SYSTEMS:
                print(f"{case.name}: round {number + 1}, {system}", file=sys.stderr, flush=True)
                rows[system].append(cost(system, case, scale))
        ratio = statistics.median(ours[0] / theirs[0] for ours, theirs in zip(rows["apisec-otel"], rows["collector"], strict=True))
        shown = " | ".join(f"{statistics.median(c for c, _ in rows[s]):.2f}" for s in SYSTEMS)
        resident = max(mb for _, mb in rows["apisec-otel"])
        lines.append(
            f"| {case.name} | {shown} | **{ratio:.2f}** | {case.bar:.2f} | {'yes' if ratio <= case.bar else 'no'} | {resident:.0f} |"
        )
    return lines


def measure_latency(seconds: float) -> list[str]:
    """Added latency beside the Collector's, same rate."""
    straight = latency(None, 50_000, seconds)
    lines = ["| 50,000 spans/s, 512 a request | p50 added, ms | p99 added, ms |", "|---|---:|---:|"]
    for system in ("collector-sync", *SYSTEMS[1:]):
        got = latency(system, 50_000, seconds)
        lines.append(f"| {system} | {got[0] - straight[0]:.2f} | {got[1] - straight[1]:.2f} |")
    return lines


def measure_stages(scale: float) -> list[str]:
    """Each native step over the same traffic in one thread, beside memcpy and protobuf's parser."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([str(LOAD), "dump", folder, "--spans", "512", "--requests", str(max(20, int(400 * scale)))], check=True)
        done = subprocess.run([sys.executable, str(HERE / "stages.py"), folder], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def main() -> None:
    """Prints the tables; `--write` puts them into the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the requests of each case")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md and README.md")
    options = parser.parse_args()
    if "OTELCOL" not in os.environ:
        raise SystemExit("set OTELCOL to a Collector binary, or run `make bench`, which builds one")
    machine = f"{psutil.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    lines = [f"CPU-seconds per million spans; {machine}; median of {options.rounds} rounds.", ""]
    table = measure(options.rounds, options.scale)
    print("\n".join(table), flush=True)
    lines += [*table, "", *measure_latency(20 * options.scale), "", "Where the time goes, ns a span:", "", *measure_stages(options.scale)]
    print("\n".join(lines))
    if options.write:
        between(ROOT / "docs" / "benchmarks.md", "measured", lines)
        between(ROOT / "README.md", "bench", table)


if __name__ == "__main__":
    main()
