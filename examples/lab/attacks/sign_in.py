"""Sign-in: guessed, stuffed, sprayed, stolen and shared."""

from __future__ import annotations

from examples.lab.attacks.scene import ONCE, Scene, attack
from examples.lab.calls import Caller
from examples.lab.people.visit import Steps
from examples.lab.population import BROWSERS, PROGRAMS, hosted_address, public_address


def _logins(scene: Scene, medium: int, fails: float) -> Steps:
    for at in scene.times(medium):
        yield scene.wait(), scene.call(scene.who(at, scene.stranger), "login", status=scene.mostly(401, 200, fails))


@attack("auth.bruteforce")
def bruteforce(scene: Scene) -> Steps:
    """Password after password for one account."""
    yield from _logins(scene, 30, 1.0)


@attack("auth.stuffing")
def stuffing(scene: Scene) -> Steps:
    """Pairs of name and password from elsewhere, each from another address, one in a hundred fits; never twice from one address."""
    for _ in scene.times(120):
        yield scene.wait(), scene.call(scene.stranger(script=False), "login", status=scene.mostly(401, 200, 0.985))


@attack("auth.spray")
def spray(scene: Scene) -> Steps:
    """One password for many accounts."""
    yield from _logins(scene, 25, 0.99)


@attack("auth.fail_then_ok")
def fail_then_ok(scene: Scene) -> Steps:
    """Guessed, and found at last; then used."""
    who = scene.stranger()
    for at in scene.times(10):
        who = scene.who(at, scene.stranger)
        yield scene.wait(), scene.call(who, "login", status=401)
    yield scene.wait(), scene.call(who, "login")
    scene.sign_in(who, scene.person())
    for _ in range(5):
        yield 2.0, scene.call(who, "object", scene.owned())


@attack("auth.token_share")
def token_share(scene: Scene) -> Steps:
    """One token, from network after network."""
    person, first = scene.person(), scene.account()
    scene.sign_in(first, person)
    for at in scene.times(24):
        far = Caller(
            hosted_address(scene.chance), scene.chance.choice((*BROWSERS[:3], *PROGRAMS)), first.label, "attacker", session=first.session
        )
        far.token, far.user, far.role, far.tenant = first.token, first.user, first.role, first.tenant
        who = first if at % 3 == 0 else far
        yield scene.wait(), scene.call(who, "me")


@attack("auth.travel", ONCE)
def travel(scene: Scene) -> Steps:
    """Here, and minutes later on another continent: seen only where addresses are placed on a map."""
    person, who = scene.person(), scene.account()
    scene.sign_in(who, person)
    for at in scene.times(6):
        if at % 3 == 2:
            who.address = public_address(scene.chance)
            who.told.clear()
        yield scene.wait(), scene.call(who, "me", visible=False)


@attack("login.outcome")
def outcome(scene: Scene) -> Steps:
    """Names tried until the answers tell which exist."""
    for at in scene.times(25):
        known = scene.chance.random() < 0.2
        yield scene.wait(), scene.call(scene.who(at, scene.stranger), "login", status=401 if known else 404)


@attack("login.timing_oracle", ONCE)
def timing(scene: Scene) -> Steps:
    """The same, told by how long a refusal takes."""
    for at in scene.times(40):
        known = scene.chance.random() < 0.2
        yield scene.wait(), scene.call(scene.who(at, scene.stranger), "login", status=401, took=0.18 if known else 0.012)
