"""A detector made in YAML: one of river's anomaly models over named features, under an id of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, get_args

from annotated_types import Len
from pydantic import AfterValidator, BeforeValidator, Discriminator, StringConstraints, Tag, WithJsonSchema

from apisec_otel.api import Id, Logic, Number, Request, Severity, Signal, State, Step, Times, Within, oddness, when

Tallied = Literal["count", "rate", "share", "distinct", "total"]
TALLIES: tuple[Tallied, ...] = get_args(Tallied)
TEACHERS: Mapping[str, str] = {"session": "actor"}
"""Who teaches where somebody else is blamed: who opens many sessions is one teacher."""


def _scalar(value: Any) -> Any:
    if not isinstance(value, int | float | str):
        raise ValueError("a number, a text, true or false is wanted")
    return value


Argument = Annotated[Any, AfterValidator(_scalar), WithJsonSchema({"type": ["number", "string", "boolean"]})]
"""What a model may be given."""

Keys = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
    Len(1, 4),
]
"""Key columns; in YAML one or a list."""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """A feature that is counted over the rows of one key, the present one among them. Exactly one of the first five says what."""

    count: str | None = None
    """A flag: how many rows have it; `always` counts all."""
    rate: str | None = None
    """A flag: how many rows a second have it."""
    share: str | None = None
    """A flag: what part of the rows has it."""
    distinct: str | None = None
    """A key: how many different ones."""
    total: str | None = None
    """A number: its sum."""
    by: Keys | None = None
    """Keys whose rows are counted together; who is blamed unless given."""
    within: Within = timedelta(minutes=10)
    """Rows are counted over this long."""

    def asked(self) -> list[tuple[Tallied, str]]:
        """What is counted, and of which column."""
        return [(each, getattr(self, each)) for each in TALLIES if getattr(self, each) is not None]


def _form(value: Any) -> str:
    return "column" if isinstance(value, str) else "tally"


def _feature(value: Any) -> Any:
    if not isinstance(value, str | dict | Tally):
        raise ValueError("a column is wanted, or a tally such as {distinct: path, by: session, within: 10m}")
    return value


Feature = Annotated[Annotated[str, Tag("column")] | Annotated[Tally, Tag("tally")], Discriminator(_form), BeforeValidator(_feature)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


@dataclass(frozen=True, kw_only=True)
class River:
    """One of river's anomaly models finds rows unlike the others in the features that its configuration names.

    Each feature is ranked among what others had, the model says how unlike others all the ranks together are, and that is ranked
    again among what others got: a row is raised where fewer than `q` are as odd. Rare is not wrong.
    """

    reference: ClassVar[str] = "docs/how-to/use-a-river-model.md"
    technique: ClassVar[str] = "T1190"

    river: str = "anomaly.HalfSpaceTrees"
    """The model, a class of river. `anomaly.HalfSpaceTrees` runs natively, any other in Python for each row."""
    model: dict[str, Argument] = field(default_factory=dict)
    """Arguments of the model, by name; its `seed` is 0 unless given."""
    rows: Literal["request", "step"] = "request"
    """request: as they arrive, written on the span itself. step: in the order of time, 6 s later."""
    by: Keys = ("service",)
    """One model for each of these keys."""
    entity: Literal["actor", "principal", "session", "client", "credential"] = "actor"
    """Who is blamed, and who teaches; where it is the session, the actor teaches."""
    features: Annotated[dict[Name, Feature], Len(max_length=16)] = field(default_factory=dict)
    """What is measured, by name: a column that is a number or a flag, or a tally. At least one."""
    where: str | None = None
    """A flag: only rows that have it are judged and learned."""
    at_least: Times = 1
    """Judged and learned from this many rows of the entity within ten minutes on."""
    severity: Severity = "info"
    """Of what it raises."""
    owasp: Annotated[str, StringConstraints(pattern=r"^API([1-9]|10):20\d\d$")] = "API4:2023"
    """The risk of the OWASP API Security Top 10 that it is about."""

    @property
    def signals(self) -> Callable[[Any, State], Iterator[Signal]]:
        """What it says of the rows that it is about."""
        return self._of_steps if self.rows == "step" else self._of_requests

    def _of_requests(self, row: Request, state: State) -> Iterator[Signal]:
        yield self._signal(row, state)

    def _of_steps(self, row: Step, state: State) -> Iterator[Signal]:
        yield self._signal(row, state)

    def _signal(self, row: Request, state: State) -> Signal:
        entity, where = column(row, self.entity), None if self.where is None else column(row, self.where)
        judged = self._judged(state, entity, where)
        odd = oddness(
            state,
            self.river,
            self.model,
            {name: self._measured(row, state, each) for name, each in self.features.items()},
            by=tuple(column(row, each) for each in self.by),
            taught_by=column(row, TEACHERS.get(self.entity, self.entity)),
            where=where,
            learned=judged,
            judged=judged,
        )
        rare = odd.rare if judged is None else when(judged, odd.rare, odd.rare / 0)
        because = f"unlike others of the same {' and '.join(self.by)}: {{evidence}}"
        return Signal(p=rare, entity=entity, evidence=odd.evidence, because=because)

    def _judged(self, state: State, entity: Id, where: Logic | None) -> Logic | None:
        """Which rows are judged and learned; None where all are."""
        if self.at_least == 1:
            return where
        enough = state.count(by=entity, within=timedelta(minutes=10), where=where) >= self.at_least
        return enough if where is None else where & enough

    def _measured(self, row: Request, state: State, feature: str | Tally) -> Number:
        if isinstance(feature, str):
            return _as_number(column(row, feature))
        by, within = tuple(column(row, each) for each in feature.by or (self.entity,)), feature.within
        (how, of), *_ = feature.asked()
        if how == "distinct":
            return state.distinct(column(row, of), by=by, within=within)
        if how == "total":
            return state.total(column(row, of), by=by, within=within)
        counted = state.count(by=by, where=column(row, of), within=within)
        if how == "share":
            return counted / state.count(by=by, within=within)
        return counted / within.total_seconds() if how == "rate" else counted


def column(row: Request, name: str) -> Any:
    """A column by its name; one that configuration adds is `custom.NAME`."""
    first, dot, custom = name.partition("custom.")
    return row.custom(custom) if dot and not first else getattr(row, name)


def _as_number(value: Number | Logic) -> Number:
    return when(value, 1, 0) if isinstance(value, Logic) else value
