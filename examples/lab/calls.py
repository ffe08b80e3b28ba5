"""Who calls, and what: the terms in which people and attackers speak to a place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from examples.lab.flows import Flow


@dataclass(slots=True, eq=False)
class Caller:
    """One device or program in one sitting: what each of its requests says of it."""

    address: str
    agent: str
    label: str
    """Who it is, for the truth: shop/customer/17."""
    kind: str
    token: str = ""
    """Value of the header that holds the credential."""
    user: str = ""
    """What a service that knows its users writes as `enduser.id`."""
    role: str = ""
    tenant: str = ""
    session: str = ""
    """Label of the sitting, for the truth."""
    told: dict[str, bytes] = field(default_factory=dict)
    """Its part of a span, once encoded, by stack."""


@dataclass(frozen=True, slots=True)
class Mark:
    """That a request belongs to an attack."""

    attack: str
    """Id in the catalogue."""
    strength: str
    campaign: str
    """The attack, its strength and the day: one try of it."""
    step: int
    """Which request of the campaign, from 1."""
    visible: bool
    """Whether what makes the request an attack stands in its spans."""


@dataclass(slots=True, eq=False)
class Call:
    """One request from outside."""

    flow: Flow
    path: str
    query: str
    status: int
    caller: Caller
    size: int = 800
    """Bytes of the answer."""
    took: float = 0.03
    """Seconds."""
    fill: str = ""
    """What a careless query says in its SQL, or a fetch in its URL."""
    thing: str = ""
    """Number of the object in the path."""
    mark: Mark | None = None
