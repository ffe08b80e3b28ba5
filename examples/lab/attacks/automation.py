"""Machines that use an API as it was meant, and more than it was meant: order, rhythm, speed of what is worth money."""

from __future__ import annotations

from examples.lab.attacks.scene import Scene, attack
from examples.lab.people.visit import Steps


def _parts(scene: Scene, role: str) -> tuple[int, ...]:
    return (scene.owned(),) if "%s" in scene.place.operation(role).path else ()


@attack("seq.surprise")
def surprise(scene: Scene) -> Steps:
    """Calls in an order that no client of the place makes."""
    roles = ("pay", "reset", "export", "self", "coupon", "list", "write", "search", "before_pay", "me")
    for at in scene.times(25):
        role = scene.chance.choice(roles)
        yield (
            scene.wait(),
            scene.call(scene.who(at, scene.account), role, *_parts(scene, role), query="q=a" if role == "search" else "", fill="a"),
        )


@attack("seq.precedence")
def precedence(scene: Scene) -> Steps:
    """Pays without what comes before paying."""
    for at in scene.times(8):
        yield scene.wait(), scene.call(scene.who(at, scene.account), "pay", status=201)


@attack("bot.timing")
def timing(scene: Scene) -> Steps:
    """A script that reads along, ever after the same pause; a weak one varies it by a third."""
    spread = {"weak": 0.33, "strong": 0.01}.get(scene.strength, 0.08)
    every = {"strong": 0.8, "slow": 300.0}.get(scene.strength, 4.0)
    for at in scene.times(60):
        wait = max(0.05, scene.chance.gauss(every, every * spread))
        yield (
            wait,
            scene.call(
                scene.who(at, scene.account),
                "browse",
                scene.chance.randrange(1, 4000) if scene.place.api.name == "shop" else scene.owned(),
            ),
        )


@attack("flow.velocity")
def velocity(scene: Scene) -> Steps:
    """Accounts made, coupons and cards tried, codes sent, one after the other."""
    role = scene.chance.choice(("signup", "coupon", "pay", "reset"))
    works = {"signup": 0.95, "coupon": 0.03, "pay": 0.1, "reset": 0.99}[role]
    fails = {"signup": 409, "coupon": 404, "pay": 402, "reset": 429}[role]
    make = scene.stranger if role in ("signup", "reset") else scene.account
    for at in scene.times(40):
        yield scene.wait(), scene.call(scene.who(at, make), role, status=scene.mostly(201, fails, works))
