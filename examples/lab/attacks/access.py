"""Checks that do not happen or are passed by: authorization, the gateway, roles, methods."""

from __future__ import annotations

from examples.lab.attacks.scene import ONCE, Scene, attack
from examples.lab.flows import Change, call_to
from examples.lab.people.visit import Steps


@attack("authz.missing_check", place=("bank", "shop"))
def missing_check(scene: Scene) -> Steps:
    """A way in on which nobody asks for the token: the call that every other request makes is not there."""
    for at in scene.times(10):
        who = scene.who(at, scene.account)
        yield scene.wait(), scene.call(who, "object", scene.owned(), change=Change(without=frozenset({"auth", "cache"})))


@attack("authz.work_after_deny")
def work_after_deny(scene: Scene) -> Steps:
    """Refused, and done all the same."""
    for at in scene.times(6):
        who = scene.who(at, scene.account)
        yield scene.wait(), scene.call(who, "write", status=403, change=Change(despite=True))


@attack("identity.hop_mismatch", place=("bank",))
def hop_mismatch(scene: Scene) -> Steps:
    """Inside, the request is somebody else's than at the door."""
    services = {each.name: each for each in scene.place.api.services}
    for at in scene.times(8):
        other = call_to(services["accounts-api"], services["ledger"], "GET", "/accounts/{n}", user="yes")
        inside = other.below[0]
        inside.told["enduser.id"] = scene.person().user  # type: ignore[index]
        yield scene.wait(), scene.call(scene.who(at, scene.account), "object", scene.owned(), change=Change(instead={"ledger": other}))


@attack("gateway.bypass", place=("shop", "saas"))
def bypass(scene: Scene) -> Steps:
    """Straight to the service, past the gateway."""
    for at in scene.times(10):
        who = scene.who(at, scene.account)
        yield scene.wait(), scene.call(who, "object", scene.owned(), change=Change(gateway=False))


@attack("auth.anon_success")
def anonymous(scene: Scene) -> Steps:
    """Answered without a credential where all others need one."""
    for at in scene.times(8):
        who = scene.who(at, scene.stranger)
        yield scene.wait(), scene.call(who, "object", scene.owned(), change=Change(without=frozenset({"auth"})))


@attack("auth.deny_then_allow")
def deny_then_allow(scene: Scene) -> Steps:
    """Refused, refused, refused; then, with another version or method, let in."""
    for at in scene.times(4):
        who, thing = scene.who(at, scene.account), scene.owned()
        for _ in range(scene.chance.randint(3, 6)):
            yield scene.wait(), scene.call(who, "object", thing, status=403)
        yield scene.wait(), scene.call(who, "object", thing, query="api-version=2019-01-01")


@attack("bfla.role", place=("bank", "saas"))
def role(scene: Scene) -> Steps:
    """A customer uses what only staff use. Weak: and is refused half of the time."""
    refused = 0.5 if scene.strength == "weak" else 0.05
    for at in scene.times(8):
        yield scene.wait(), scene.call(scene.who(at, scene.account), "admin_list", query="q=a", status=scene.mostly(403, 200, refused))


@attack("bfla.admin")
def admin(scene: Scene) -> Steps:
    """Deletes what only an administrator may."""
    for at in scene.times(6):
        who = scene.who(at, scene.account)
        yield scene.wait(), scene.call(who, "admin_delete", scene.person().user, status=scene.mostly(200, 403, 0.8))


@attack("bfla.method", ONCE)
def method(scene: Scene) -> Steps:
    """A method that the route never had."""
    who = scene.account()
    for _ in scene.times(5):
        path = scene.place.operation("object").path % scene.owned()
        yield (
            scene.wait(),
            scene.missing(who, path, method=scene.chance.choice(("PUT", "DELETE", "PATCH")), status=scene.mostly(200, 405, 0.7)),
        )
