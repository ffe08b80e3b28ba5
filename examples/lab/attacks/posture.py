"""States that somebody uses: debug pages, old versions, endpoints that no document knows, plain text."""

from __future__ import annotations

from examples.lab.attacks.scene import ONCE, Scene, attack
from examples.lab.flows import Change
from examples.lab.people.visit import Steps


def _found(scene: Scene, paths: tuple[str, ...], *, method: str = "GET", status: int = 200, signed: bool = False, medium: int = 6) -> Steps:
    who = scene.account() if signed else scene.stranger()
    for _ in scene.times(medium):
        yield scene.wait(), scene.missing(who, scene.chance.choice(paths), method=method, status=status)


@attack("misc.method_trace", ONCE)
def trace(scene: Scene) -> Steps:
    """TRACE, answered."""
    yield from _found(scene, ("/", "/api"), method="TRACE", medium=3)


@attack("misc.debug", ONCE)
def debug(scene: Scene) -> Steps:
    """Debug pages, answered from outside."""
    yield from _found(scene, ("/debug/pprof/", "/actuator/heapdump", "/__debug__/", "/console"))


@attack("misc.verbose", ONCE)
def verbose(scene: Scene) -> Steps:
    """Errors that say too much."""
    for at in scene.times(6):
        yield scene.wait(), scene.call(scene.who(at, scene.account), "search", query="q[]=1", fill="", status=500, size=48_000)


@attack("misc.cors", ONCE)
def cors(scene: Scene) -> Steps:
    """Every origin allowed, with credentials: a header that nobody records here."""
    for at in scene.times(3):
        yield scene.wait(), scene.call(scene.who(at, scene.account), "me", visible=False)


@attack("misc.banner", ONCE)
def banner(scene: Scene) -> Steps:
    """A version in a header that nobody records here."""
    for at in scene.times(3):
        yield scene.wait(), scene.call(scene.who(at, scene.guest("search")), "search", query="q=a", fill="a", visible=False)


@attack("misc.plaintext", ONCE)
def plaintext(scene: Scene) -> Steps:
    """Credentials over plain HTTP, past the gateway; all spans here say `http` behind it, so only the missing gateway shows."""
    for at in scene.times(6):
        who = scene.who(at, scene.account)
        yield scene.wait(), scene.call(who, "me", change=Change(gateway=False, scheme="http"), visible=False)


@attack("inv.shadow", ONCE)
def shadow(scene: Scene) -> Steps:
    """An endpoint that nobody knows of."""
    yield from _found(scene, ("/internal/reports", "/api/tmp/dump"), signed=True, medium=12)


@attack("inv.zombie", ONCE)
def zombie(scene: Scene) -> Steps:
    """An endpoint of long ago that answers still."""
    yield from _found(scene, ("/api/2017/orders", "/v0/accounts", "/old/export"), signed=True)


@attack("inv.undocumented", ONCE)
def undocumented(scene: Scene) -> Steps:
    """A parameter and an endpoint that the document lacks."""
    for at in scene.times(10):
        yield scene.wait(), scene.call(scene.who(at, scene.account), "me", query="expand=internal_notes")


@attack("inv.deprecated", ONCE)
def deprecated(scene: Scene) -> Steps:
    """What was to be switched off: only a document can say so."""
    for at in scene.times(10):
        parts = (scene.owned(),) if "%s" in scene.place.operation("list").path else ()
        yield scene.wait(), scene.call(scene.who(at, scene.account), "list", *parts, query="page=1", visible=False)


@attack("inv.unauth", ONCE)
def unauthenticated(scene: Scene) -> Steps:
    """An endpoint with personal data that asks for no credential."""
    for _ in scene.times(8):
        yield scene.wait(), scene.call(scene.stranger(), "self", scene.person().user, change=Change(without=frozenset({"auth", "cache"})))


@attack("inv.nonprod", ONCE)
def nonprod(scene: Scene) -> Steps:
    """A test system with real data, reached from outside."""
    yield from _found(scene, ("/staging/api/users", "/test/v1/customers"), signed=True)
