"""Things of others: read one by one, in order, by one's own number in another's place; columns, rows and bytes that nobody should get."""

from __future__ import annotations

from dataclasses import replace

from examples.lab.attacks.scene import ONCE, Scene, attack, restated
from examples.lab.people.visit import Steps


@attack("bola.foreign")
def foreign(scene: Scene) -> Steps:
    """Things that belong to others and exist, known from elsewhere, in no order."""
    for at in scene.times(12):
        yield scene.wait(), scene.call(scene.who(at, scene.account), "object", scene.owned())


@attack("bola.self_param")
def self_param(scene: Scene) -> Steps:
    """Another's id where one's own belongs."""
    for at in scene.times(5):
        yield scene.wait(), scene.call(scene.who(at, scene.account), "self", scene.person().user)


@attack("bola.enum")
def enumeration(scene: Scene) -> Steps:
    """Random numbers, most of which exist."""
    numbers = [number for person in scene.place.people.owners(("shopper", "app", "customer", "member")) for number in person.objects]
    for at in scene.times(60):
        yield (
            scene.wait(),
            scene.call(scene.who(at, scene.account), "object", scene.chance.choice(numbers), status=scene.mostly(200, 404, 0.9)),
        )


@attack("bola.walk")
def walk(scene: Scene) -> Steps:
    """One number after the other."""
    first = scene.owned()
    for at in scene.times(40):
        yield scene.wait(), scene.call(scene.who(at, scene.account), "object", first + at, status=scene.mostly(200, 404, 0.5))


@attack("bola.probe_ratio")
def probe(scene: Scene) -> Steps:
    """Guessed numbers, nearly all refused."""
    for at in scene.times(30):
        yield (
            scene.wait(),
            scene.call(scene.who(at, scene.account), "object", scene.chance.randrange(10**6), status=scene.mostly(403, 404, 0.7)),
        )


@attack("pollution")
def pollution(scene: Scene) -> Steps:
    """The same parameter twice, or in the query beside the path."""
    for at in scene.times(8):
        thing = scene.owned()
        query = scene.chance.choice((f"id={scene.owned()}", f"id={thing}&id={scene.owned()}", f"user_id={scene.person().user}"))
        yield scene.wait(), scene.call(scene.who(at, scene.account), "object", thing, query=query)


@attack("massassign.columns")
def mass_assignment(scene: Scene) -> Steps:
    """Fields in the body that the form does not have: they reach the UPDATE."""
    column = {"weak": "newsletter_opt", "distributed": "plan"}.get(scene.strength, scene.chance.choice(("role", "is_admin", "balance")))
    change = scene.query("write", restated(lambda said: said.replace(" WHERE ", f", {column} = ? WHERE ")))
    for at in scene.times(4):
        yield scene.wait(), scene.call(scene.who(at, scene.account), "write", change=change)


@attack("predicate.no_owner", ONCE)
def no_owner(scene: Scene) -> Steps:
    """A query that asks for the id alone, whoever owns it, and somebody who uses it."""
    change = scene.query("object", restated(lambda said: said.partition(" AND ")[0]))
    for at in scene.times(10):
        yield scene.wait(), scene.call(scene.who(at, scene.account), "object", scene.owned(), change=change)


@attack("rows.outlier")
def rows(scene: Scene) -> Steps:
    """One request that reads the table."""
    many = {"weak": 300, "strong": 200_000}.get(scene.strength, 5_000)
    change = scene.query("search", lambda piece: replace(piece, told={**piece.told, "db.response.returned_rows": many}))
    for at in scene.times(3):
        who = scene.who(at, scene.account)
        yield scene.wait(), scene.call(who, "search", query="q=%25", fill="%", size=many * 120, took=1.5, change=change)


@attack("size.outlier")
def size(scene: Scene) -> Steps:
    """An answer far larger than this endpoint ever gives. What the gateway does not tell, the bank's spans do not hold."""
    factor = {"weak": 6, "strong": 400}.get(scene.strength, 60)
    for at in scene.times(3):
        who, usual = scene.who(at, scene.account), scene.place.operation("list").size
        parts = (scene.owned(),) if "%s" in scene.place.operation("list").path else ()
        yield (
            scene.wait(),
            scene.call(who, "list", *parts, query="page=1&limit=25", size=usual * factor, visible=scene.place.api.name != "bank"),
        )


@attack("exfil.volume")
def volume(scene: Scene) -> Steps:
    """Exports, again and again."""
    for at in scene.times(25):
        who = scene.who(at, scene.account)
        yield scene.wait(), scene.call(who, "export", query=f"year={2000 + at % 26}", visible=scene.place.api.name != "bank")
