"""How configuration says which requests are meant: texts with `*`, networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from apisec_otel.findings.finding import Hash

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def matches(pattern: str, text: str) -> bool:
    """Whether a text is as a pattern says; `*` stands for anything, also for nothing, all else for itself.

    >>> matches("shop GET /orders/*", "shop GET /orders/{id}"), matches("*GET /orders", "shop GET /orders/{id}")
    (True, False)
    """
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    if not text.startswith(first):
        return False
    at = len(first)
    for part in rest[:-1]:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return len(text) - at >= len(rest[-1]) and text.endswith(rest[-1])


def within(address: Address, networks: Iterable[Network]) -> bool:
    """Whether one of the networks has the address."""
    return any(address.version == network.version and address in network for network in networks)


def client_of(key: int, text: Callable[[str], str | None], keyed_hash: Hash) -> Address | None:
    """The address behind a request's client; None where no text of the request has it.

    `text` reads a column. A request may claim many addresses; the one that the walk over trusted proxies took is that
    of `key`, so that nobody is taken for somebody else because he says so.
    """
    claimed = [said for column in ("client", "peer", "forwarded") for said in (text(column) or "").split(",")]
    addresses = (address for said in claimed if (address := parsed(said)) is not None)
    return next((address for address in addresses if keyed_hash(address.packed) == key), None)


def parsed(said: str) -> Address | None:
    """An address as requests tell it, perhaps with a port; None when it is none."""
    said = said.strip()
    if said.startswith("["):
        said = said[1:].partition("]")[0]
    elif said.count(":") == 1:
        said = said.partition(":")[0]
    try:
        address = ip_address(said.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
