"""`apisec-otel demo`: a shop's API under attack, watched by apisec-otel, all as real processes on this machine."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import click
import yaml
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from apisec_otel.errors import ApisecError
from apisec_otel.findings import background

WATCHED = {
    "login brute force": ("auth_",),
    "order id enumeration": ("bola_",),
    "path scan": ("scan_",),
    "search injection": ("request_",),
}
"""Attacks of examples/demo/traffic, and how the ids of detectors begin that are meant to find each."""
NEEDS = (
    "fastapi",
    "uvicorn",
    "httpx",
    "opentelemetry.distro",
    "opentelemetry.instrumentation.fastapi",
    "opentelemetry.exporter.otlp.proto.grpc",
)
STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim"}
STARTS_WITHIN = 30.0
FOUND_WITHIN = 10.0
"""Seconds after the last attack until a finding counts as missed."""
ENDS_WITHIN = 15.0
PAUSE = 0.1
EVERY = 500
"""Requests between two plain lines of numbers."""


@click.command("demo")
@click.option("--backend", metavar="URL", help="Send everything there as well: http://HOST:4318, or HOST:4317 for gRPC.")
@click.option("--headless", is_flag=True, help="Plain lines instead of a live view, as when the output is no terminal.")
@click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(1, 3600), help="Everyday life before the attacks.")
@click.option("--out", default="demo-out", show_default=True, type=click.Path(file_okay=False, path_type=Path), help="Where the files go.")
def command(backend: str | None, headless: bool, seconds: float, out: Path) -> int:
    """Attack an example API and watch what is found.

    Starts a small shop (FastAPI, stock OpenTelemetry instrumentation), apisec-otel behind it, 40 simulated customers, and
    after a minute four attacks: guessing a password, reading other people's orders, scanning for paths, SQL in a search.
    Takes under two minutes. Exits 0 when all four were found and 1 otherwise.

    \b
    Examples:
      apisec-otel demo
      apisec-otel demo --backend http://localhost:4318      look at it in your own tracing UI
    """
    shop = _shop_folder()
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    # Ended from outside, it must still end what it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(highlight=False)
    story = Story(out)
    live = console.is_terminal and not headless
    with _shown(story, console) if live else _printed(story, console) as show, ExitStack() as programs:
        _play(story, programs, shop, backend, seconds, show)
    return _sum_up(story, console)


@dataclass(frozen=True)
class Finding:
    """One finding, as it was exported."""

    detector: str
    severity: str
    client: str
    sentence: str


@dataclass(frozen=True)
class Told:
    """An incident, as it was last exported."""

    state: str
    severity: str
    entity: str
    story: str


@dataclass
class Attack:
    """What the traffic generator says of one attack."""

    client: str
    state: str
    since: float
    found: list[Finding] = field(default_factory=list)
    delay: float = 0.0
    """Seconds from its beginning to its first finding."""


class Story:
    """What has happened so far, read from the files that apisec-otel writes and from the traffic generator's lines."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.state = "starting"
        self.sent = self.requests = self.spans = self.flagged = 0
        self.callers: set[str] = set()
        self.findings: list[Finding] = []
        self.incidents: dict[str, Told] = {}
        self.attacks: dict[str, Attack] = {}
        self.ended = False
        self._traces = Lines(out / "traces.jsonl")
        self._logs = Lines(out / "findings.jsonl")

    def heard(self, line: Mapping[str, Any]) -> None:
        """Takes in a line of the traffic generator."""
        self.sent = line.get("requests", self.sent)
        self.ended |= line.get("done", False)
        if "attack" not in line:
            return
        name = line["attack"]
        self.state = name if line["state"] == "begins" else "everyday life"
        if line["state"] == "begins":
            self.attacks[name] = Attack(line["client"], "running", time.monotonic())
        else:
            self.attacks[name].state = "over"

    def look(self) -> None:
        """Reads what was written since the last look."""
        for span in _items(self._traces.new(), "resourceSpans", "scopeSpans", "spans"):
            self._count(span)
        for record in _items(self._logs.new(), "resourceLogs", "scopeLogs", "logRecords"):
            self._note(record)

    def missed(self) -> list[str]:
        """Attacks that no finding names."""
        return [name for name in WATCHED if name not in self.attacks or not self.attacks[name].found]

    def others(self) -> list[Finding]:
        """Findings about anybody but the attackers; what sums up the day is about nobody."""
        attackers = {attack.client for attack in self.attacks.values()}
        return [finding for finding in self.findings if finding.client not in attackers and finding.detector != background.DETECTOR]

    def _count(self, span: Mapping[str, Any]) -> None:
        self.spans += 1
        if span.get("kind") not in (2, "SPAN_KIND_SERVER"):
            return
        stated = _attributes(span)
        self.requests += 1
        self.callers.add(stated.get("client.address", ""))
        self.flagged += "apisec.finding" in stated

    def _note(self, record: Mapping[str, Any]) -> None:
        stated = _attributes(record)
        if "apisec.finding" not in stated:
            return
        sentence = record.get("body", {}).get("stringValue", "")
        if record.get("eventName") == "apisec.incident":
            who = f"{stated.get('apisec.entity.type', '')} {stated.get('apisec.entity.id', '')}"
            told = Told(stated["apisec.incident.state"], stated["apisec.severity"], who, sentence)
            self.incidents[stated["apisec.incident.id"]] = told
            return
        finding = Finding(stated["apisec.finding"], stated.get("apisec.severity", "info"), stated.get("client.address", ""), sentence)
        self.findings.append(finding)
        for name, attack in self.attacks.items():
            if attack.client == finding.client and finding.detector.startswith(WATCHED.get(name, ())):
                attack.delay = attack.delay or time.monotonic() - attack.since
                attack.found.append(finding)


class Lines:
    """New whole lines of a growing file of JSON."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._path = path
        self._read = 0

    def new(self) -> Iterator[Any]:
        """What was added since it was last asked."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                yield json.loads(line)


class Program:
    """A child process, its output in a file."""

    def __init__(self, name: str, command: Sequence[str | Path], log: Path, env: Mapping[str, str], cwd: Path | None = None) -> None:
        self._name = name
        self._log = log
        with log.open("wb") as output:
            self._child = subprocess.Popen(  # noqa: S603 - our own programs
                [str(each) for each in command], stdout=subprocess.PIPE, stderr=output, env=os.environ | dict(env), cwd=cwd, text=True
            )

    def hear(self, take: Callable[[str], None]) -> None:
        """Hands each line of its standard output to `take`, in a thread."""
        output = self._child.stdout or ()

        def listen() -> None:
            for line in output:
                take(line)

        threading.Thread(target=listen, daemon=True).start()

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Waits until it is ready; ApisecError with its last lines when it ends or takes too long."""
        deadline = time.monotonic() + STARTS_WITHIN
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise ApisecError(f"{self._name} was not ready within {STARTS_WITHIN:.0f} s; see {self._log}")
            time.sleep(PAUSE)

    def check(self) -> None:
        """Raises ApisecError when it has failed."""
        if self._child.poll():
            tail = self._log.read_text(errors="replace").strip().splitlines()[-8:]
            raise ApisecError("\n  ".join([f"{self._name} ended with {self._child.returncode}; {self._log} says:", *tail]))

    def stop(self) -> None:
        """Ends it orderly, so that it hands on what it holds."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


class Show(Protocol):
    """How the story is told while it happens."""

    def __call__(self) -> None:
        """Shows what is new."""


def _play(story: Story, programs: ExitStack, shop: Path, backend: str | None, seconds: float, show: Show) -> None:
    """Starts all parts, lets the traffic run, and ends them in the order in which data flows."""
    grpc, health, web = _free_ports(3)
    config = story.out / "config.yaml"
    # A state of its own: what an earlier demo has shown would not be shown again.
    state = programs.enter_context(tempfile.TemporaryDirectory(prefix="apisec-otel-demo-"))
    config.write_text(yaml.safe_dump(_config(story.out, state, grpc, health, backend), sort_keys=False))
    watch = Program("apisec-otel", [sys.executable, "-m", "apisec_otel", "run", "--config", config], story.out / "apisec-otel.log", {})
    programs.callback(watch.stop)
    watch.hear(lambda _: None)
    watch.wait_until(lambda: _answers(f"http://127.0.0.1:{health}/"))
    api = Program("the shop", _shop_command(web), story.out / "shop.log", _shop_environment(story.out, grpc), shop)
    programs.callback(api.stop)
    api.hear(lambda _: None)
    api.wait_until(lambda: _answers(f"http://127.0.0.1:{web}/health"))
    run = [sys.executable, "-m", "traffic", f"http://127.0.0.1:{web}", "--seconds", str(seconds)]
    traffic = Program("the traffic", run, story.out / "traffic.log", {}, shop)
    programs.callback(traffic.stop)
    story.state = "everyday life"
    traffic.hear(lambda line: story.heard(json.loads(line)))
    deadline = float("inf")
    while not story.ended or (story.missed() and time.monotonic() < deadline):
        for program in (watch, api, traffic):
            program.check()
        story.look()
        show()
        if story.ended and deadline == float("inf"):
            deadline = time.monotonic() + FOUND_WITHIN
        time.sleep(PAUSE)
    programs.close()
    story.look()
    show()


def _config(out: Path, state: str, grpc: int, health: int, backend: str | None) -> dict[str, Any]:
    """The configuration of the demo's instance: files, and the backend when there is one."""
    files = {
        "file/traces": "traces.jsonl",
        "file/finding_spans": "finding_spans.jsonl",
        "file/logs": "findings.jsonl",
        "file/metrics": "metrics.jsonl",
    }
    exporters: dict[str, Any] = {name: {"path": str(out / path)} for name, path in files.items()}
    also = []
    if backend:
        kind = "otlp_http" if backend.startswith(("http://", "https://")) else "otlp_grpc"
        exporters[kind] = {"endpoint": backend} | ({} if kind == "otlp_http" else {"tls": {"insecure": True}})
        also = [kind]
    steps = ["memory_limiter", "requests", "endpoints", "sessions", "payloads", "detect", "decide"]
    return {
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{grpc}"}}}},
        "processors": {step: {} for step in steps} | {"memory_limiter": {"check_interval": "1s", "limit_mib": 512}},
        "connectors": {"findings": {"metrics_interval": "5s"}},
        "exporters": exporters,
        "extensions": {"health_check": {"endpoint": f"127.0.0.1:{health}"}, "file_storage": {"directory": state}},
        "service": {
            "extensions": ["health_check", "file_storage"],
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {
                "traces": {"receivers": ["otlp"], "processors": steps, "exporters": ["file/traces", "findings", *also]},
                "traces/findings": {"receivers": ["findings"], "exporters": ["file/finding_spans", *also]},
                "logs/findings": {"receivers": ["findings"], "exporters": ["file/logs", *also]},
                "metrics/findings": {"receivers": ["findings"], "exporters": ["file/metrics", *also]},
            },
        },
    }


def _shop_command(port: int) -> list[str | Path]:
    instrument = Path(sys.executable).with_name("opentelemetry-instrument")
    return [instrument, sys.executable, "-m", "uvicorn", "shop.app:app", "--port", str(port), "--log-level", "warning"]


def _shop_environment(out: Path, grpc: int) -> dict[str, str]:
    """Standard settings of OpenTelemetry; nothing in the shop knows of apisec-otel."""
    return {
        "SHOP_DATABASE": str(out / "shop.db"),
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=demo,service.version=1.0",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{grpc}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "http,database",
        "OTEL_PYTHON_FASTAPI_EXCLUDED_URLS": "health",
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST": "authorization",
    }


def _shop_folder() -> Path:
    """examples/demo of the source tree; ApisecError when it or what it runs on is missing."""
    near = (Path.cwd(), *Path(__file__).resolve().parents)
    found = next((each / "examples" / "demo" for each in near if (each / "examples" / "demo" / "shop").is_dir()), None)
    if found is None:
        raise ApisecError("the demo's shop is in examples/demo of the source tree: run this inside a checkout")
    missing = [name for name in NEEDS if not _installed(name)]
    if missing:
        raise ApisecError(f"the shop needs {', '.join(missing)}: `pip install --group demo` inside the source tree installs all of it")
    return found


def _installed(module: str) -> bool:
    with suppress(ModuleNotFoundError):
        return find_spec(module) is not None
    return False


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def _answers(url: str) -> bool:
    with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=1) as reply:  # noqa: S310 - loopback
        return bool(reply.status == 200)
    return False


def _items(requests: Iterable[Any], *path: str) -> Iterator[Mapping[str, Any]]:
    """The leaves of OTLP/JSON requests along a path of lists."""
    nodes = list(requests)
    for name in path:
        nodes = [child for node in nodes for child in node.get(name, ())]
    yield from nodes


def _attributes(node: Mapping[str, Any]) -> dict[str, str]:
    """Those that are strings."""
    return {each["key"]: each["value"]["stringValue"] for each in node.get("attributes", ()) if "stringValue" in each.get("value", {})}


@contextmanager
def _printed(story: Story, console: Console) -> Iterator[Show]:
    """A line for each thing that happens."""
    state, findings, incidents, sent = "", 0, 0, 0

    def show() -> None:
        nonlocal state, findings, incidents, sent
        if state != story.state:
            state = story.state
            console.print(f"-- {state}", soft_wrap=True, markup=False)
        for finding in story.findings[findings:]:
            console.print(f"{finding.severity:8} {finding.detector}: {finding.sentence}", soft_wrap=True, markup=False)
        findings = len(story.findings)
        for told in list(story.incidents.values())[incidents:]:
            console.print(f"{told.severity:8} INCIDENT of {told.entity}", soft_wrap=True, markup=False)
        incidents = len(story.incidents)
        if story.sent >= sent + EVERY:
            sent = story.sent
            console.print(_numbers(story), soft_wrap=True, markup=False)

    yield show


@contextmanager
def _shown(story: Story, console: Console) -> Iterator[Show]:
    """A view that is drawn anew."""
    with Live(_view(story), console=console, auto_refresh=False) as live:
        yield lambda: live.update(_view(story), refresh=True)


def _view(story: Story) -> RenderableType:
    table = Table(expand=True, box=None, pad_edge=False)
    for title, ratio in (("severity", 1), ("detector", 2), ("what", 8)):
        table.add_column(title, ratio=ratio, overflow="ellipsis", no_wrap=title != "what")
    for finding in story.findings[-12:]:
        table.add_row(finding.severity, finding.detector, escape(finding.sentence), style=STYLES.get(finding.severity, ""))
    for told in list(story.incidents.values())[-3:]:
        table.add_row(told.severity, "INCIDENT", escape(told.story), style=STYLES.get(told.severity, ""))
    return Group(f"[bold]{escape(story.state)}[/]   {_numbers(story)}", table)


def _numbers(story: Story) -> str:
    return (
        f"requests sent: {story.sent:,}, seen: {story.requests:,}; callers: {len(story.callers)}; spans: {story.spans:,}, "
        f"flagged: {story.flagged:,}; findings: {len(story.findings)}; incidents: {len(story.incidents)}"
    )


def _sum_up(story: Story, console: Console) -> int:
    """Says what was found and where the files are; answers the exit code."""
    console.print(f"\n{_numbers(story)}", soft_wrap=True)
    for name in WATCHED:
        attack = story.attacks.get(name)
        if attack and attack.found:
            console.print(f"  [green]found[/]   {name}: {attack.found[0].detector}, {attack.delay:.1f} s after it began", soft_wrap=True)
        else:
            console.print(f"  [red]missed[/]  {name}: no finding of {' or '.join(f'{each}*' for each in WATCHED[name])}", soft_wrap=True)
    for told in story.incidents.values():
        console.print(f"  incident ({told.severity}, {told.state}) of {told.entity}: {told.story}", soft_wrap=True, markup=False)
    others = Counter(finding.detector for finding in story.others())
    console.print(f"  about anybody else: {', '.join(f'{count} {name}' for name, count in others.items()) or 'nothing'}", soft_wrap=True)
    console.print(f"OTLP files: {escape(str(story.out))}/traces.jsonl, findings.jsonl, finding_spans.jsonl, metrics.jsonl", soft_wrap=True)
    return 1 if story.missed() else 0
