"""More than one's share: requests, time, pages, depth."""

from __future__ import annotations

from examples.lab.attacks.scene import Scene, attack
from examples.lab.flows import Change
from examples.lab.people.visit import Steps
from examples.lab.places.saas import query


@attack("rate")
def rate(scene: Scene) -> Steps:
    """The same, as fast as it goes."""
    for at in scene.times(120):
        limited = at > 80 and scene.strength == "strong" and scene.chance.random() < 0.3
        pause = scene.wait() / 10 if scene.strength != "slow" else scene.wait()
        yield pause, scene.call(scene.who(at, scene.account), "me", status=429 if limited else 200)


@attack("cost")
def cost(scene: Scene) -> Steps:
    """Few requests that keep the service and its database busy."""
    took = {"weak": 3.0, "strong": 25.0}.get(scene.strength, 10.0)
    for at in scene.times(20):
        yield scene.wait(), scene.call(scene.who(at, scene.account), "search", query="q=%25a%25b%25", fill="%a%b%", took=took)


@attack("fanout")
def fanout(scene: Scene) -> Steps:
    """One request, hundreds of queries."""
    many = {"weak": 25, "strong": 300}.get(scene.strength, 90)
    tools = scene.place.operation("list").service.tools
    change = Change(extra=tuple(tools.sql("SELECT id, name FROM parts WHERE parent = ?", "parts") for _ in range(many)))
    path = scene.place.operation("list").path
    for at in scene.times(4):
        parts = (scene.owned(),) if "%s" in path else ()
        yield scene.wait(), scene.call(scene.who(at, scene.account), "list", *parts, query="include=all", took=1.2, change=change)


@attack("page.abuse")
def page(scene: Scene) -> Steps:
    """A page of everything."""
    limit = {"weak": 400, "strong": 10_000_000}.get(scene.strength, 100_000)
    path = scene.place.operation("list").path
    for at in scene.times(6):
        parts = (scene.owned(),) if "%s" in path else ()
        yield scene.wait(), scene.call(scene.who(at, scene.account), "list", *parts, query=f"page=1&limit={limit}", size=900_000, took=2.0)


@attack("gql.cost", place=("saas",))
def graphql(scene: Scene) -> Steps:
    """Documents of great depth or with hundreds of aliases, and a look at the schema."""
    depth = {"weak": 8, "strong": 60}.get(scene.strength, 20)
    deep = "query Board { " + "issues { parent { " * depth + "id" + " } }" * depth + " }"
    wide = "query Board { " + " ".join(f"a{number}: issue(id: {number}) {{ title }}" for number in range(depth * 4)) + " }"
    for at in scene.times(8):
        document = scene.chance.choice((deep, wide, "query Board { __schema { types { name fields { name } } } }"))
        change = Change(instead={"graph": query("Board", document)})
        yield scene.wait(), scene.call(scene.who(at, scene.account), "graphql", took=1.0, change=change)
