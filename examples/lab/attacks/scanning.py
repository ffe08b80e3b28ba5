"""Scans: names of files and endpoints that might be there."""

from __future__ import annotations

from examples.lab.attacks.scene import Scene, attack
from examples.lab.people.programs import PROBED
from examples.lab.people.visit import Steps

STEMS = (
    "api", "v1", "v2", "internal", "admin", "debug", "users", "orders", "reports", "config", "backup", "export", "jobs", "metrics",
    "keys", "tokens", "files", "test", "graphql", "swagger",
)  # fmt: skip
HONEY = ("/.env", "/.git/config", "/wp-login.php", "/actuator/env", "/server-status", "/.aws/credentials", "/phpmyadmin/")
TOOLS = (
    "sqlmap/1.8.4#stable (https://sqlmap.org)", "Nikto/2.5.0", "Nuclei - Open-source project (github.com/projectdiscovery/nuclei)",
    "gobuster/3.6", "masscan/1.3",
)  # fmt: skip


def _guess(scene: Scene) -> str:
    parts = []
    for _ in range(scene.chance.randint(1, 3)):
        parts.append(scene.chance.choice(STEMS) + ("" if scene.chance.random() < 0.6 else str(scene.chance.randrange(30))))
    return "/" + "/".join(parts)


@attack("scan.trw")
def probing(scene: Scene) -> Steps:
    """Paths from a list of words; a signed-in caller looks at what is theirs in between."""
    signed = scene.strength == "strong"
    for at in scene.times(40):
        who = scene.who(at, scene.account if signed else scene.stranger)
        if signed and at % 5 == 4:
            yield scene.wait(), scene.call(who, "me")
        yield scene.wait(), scene.missing(who, _guess(scene), status=scene.mostly(404, 405, 0.9))


@attack("scan.honey")
def honey(scene: Scene) -> Steps:
    """Files that nobody asks for who means well. A strong one is signed in."""
    make = scene.account if scene.strength == "strong" else scene.stranger
    for at in scene.times(5):
        yield scene.wait(), scene.missing(scene.who(at, make), scene.chance.choice(HONEY))


@attack("scan.ua")
def agents(scene: Scene) -> Steps:
    """Tools that say who they are."""
    agent = scene.chance.choice(TOOLS)
    for at in scene.times(15):
        who = scene.who(at, scene.stranger)
        if who.agent != agent:
            who.agent = agent
            who.told.clear()
        yield scene.wait(), scene.missing(who, scene.chance.choice(PROBED))
