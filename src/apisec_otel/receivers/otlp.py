"""Receives OTLP over gRPC and HTTP; never looks inside a span."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import SecretStr

from apisec_otel.component import Size, plain


@dataclass(frozen=True, kw_only=True)
class ServerTls:
    """Certificate and key that a receiver shows."""

    cert_file: str = ""
    """PEM chain."""
    key_file: str = ""
    """PEM key."""
    client_ca_file: str | None = None
    """PEM roots of clients' certificates; when set, clients must show one."""
    min_version: str = "1.2"
    """Oldest TLS that is spoken: 1.2 or 1.3."""
    reload_interval: timedelta | None = None
    """Read the files again this often."""

    def __post_init__(self) -> None:
        """Refuses half a pair and old versions."""
        if not self.cert_file or not self.key_file:
            raise ValueError("tls needs cert_file and key_file")
        if self.min_version not in ("1.2", "1.3"):
            raise ValueError("min_version is 1.2 or 1.3")


@dataclass(frozen=True, kw_only=True)
class Port:
    """One listening port."""

    endpoint: str = ""
    """host:port to listen on."""
    tls: ServerTls | None = None
    """Certificate to show; without it the port must be on this machine, or `insecure`."""
    insecure: bool = False
    """Accept plain text from other machines."""
    max_concurrent_streams: int = 128
    """Streams of one HTTP/2 connection."""

    def __post_init__(self) -> None:
        """Refuses what is no address, and plain text from other machines unless it is wanted."""
        host = host_of(self.endpoint)
        if not is_loopback(host) and self.tls is None and not self.insecure:
            raise ValueError(
                f"listens on {host or 'all addresses'}, which other machines reach, without TLS: "
                "set tls, or insecure: true to accept plain text, or listen on localhost",
            )


@dataclass(frozen=True, kw_only=True)
class KeepaliveParameters:
    """When a server ends a connection."""

    max_connection_age: timedelta | None = None
    """Age at which a connection is asked to close, so that clients balance anew; never when unset."""
    max_connection_age_grace: timedelta = timedelta(seconds=30)
    """After its age, the time for what is in flight."""


@dataclass(frozen=True, kw_only=True)
class Keepalive:
    """Life of a connection."""

    server_parameters: KeepaliveParameters = field(default_factory=KeepaliveParameters)
    """What the server decides."""


@dataclass(frozen=True, kw_only=True)
class Grpc(Port):
    """The gRPC port."""

    endpoint: str = "localhost:4317"
    """host:port to listen on."""
    max_recv_msg_size_mib: int = 64
    """Largest request, in MiB, compressed and not."""
    keepalive: Keepalive = field(default_factory=Keepalive)
    """Life of a connection."""


@dataclass(frozen=True, kw_only=True)
class Http(Port):
    """The HTTP port."""

    endpoint: str = "localhost:4318"
    """host:port to listen on."""
    max_request_body_size: Size = 64 << 20
    """Largest body, compressed and not."""
    idle_timeout: timedelta = timedelta(minutes=3)
    """A connection may idle this long."""
    traces_url_path: str = "/v1/traces"
    """Path of traces."""
    logs_url_path: str = "/v1/logs"
    """Path of logs."""
    metrics_url_path: str = "/v1/metrics"
    """Path of metrics."""


@dataclass(frozen=True, kw_only=True)
class Protocols:
    """The ports that are open."""

    grpc: Grpc | None = None
    """gRPC; `grpc:` alone takes the defaults."""
    http: Http | None = None
    """HTTP, protobuf and JSON; `http:` alone takes the defaults."""

    def __post_init__(self) -> None:
        """Refuses a receiver that would hear nothing."""
        if self.grpc is None and self.http is None:
            raise ValueError("must specify at least one protocol when using the OTLP receiver: grpc, http")


@dataclass(frozen=True, kw_only=True)
class Otlp:
    """Receives traces, logs and metrics over OTLP; the reply waits for the backend."""

    signals: ClassVar[frozenset[str]] = frozenset({"traces", "logs", "metrics"})

    protocols: Protocols = field(default_factory=lambda: Protocols(grpc=Grpc(), http=Http()))
    """The ports that are open."""
    metadata_keys: tuple[str, ...] = ()
    """Headers that go on to the backend with the spans, as in `x-scope-orgid`."""
    authorization: tuple[SecretStr, ...] = ()
    """Values of the `authorization` header that are let in; empty: anybody is."""

    def listens(self) -> Sequence[str]:
        """Addresses of its ports."""
        return [port.endpoint for port in (self.protocols.grpc, self.protocols.http) if port]

    def for_native(self) -> dict[str, Any]:
        """What the native server takes, but for its name."""
        grpc, http = self.protocols.grpc, self.protocols.http
        return {
            "grpc": _port(grpc, grpc.max_recv_msg_size_mib << 20) | _age(grpc) if grpc else None,
            "http": _port(http, http.max_request_body_size) | _paths(http) if http else None,
            "metadata_keys": [key.lower() for key in self.metadata_keys],
            "authorization": plain(self.authorization),
        }


def _port(port: Port, largest: int) -> dict[str, Any]:
    tls = {name: value for name, value in plain(port.tls).items() if value is not None} if port.tls else None
    names = ("endpoint", "insecure", "max_concurrent_streams")
    return {name: getattr(port, name) for name in names} | {"tls": tls, "max_wire_bytes": largest, "max_bytes": largest}


def _age(grpc: Grpc) -> dict[str, Any]:
    parameters: dict[str, Any] = plain(grpc.keepalive.server_parameters)
    return {name: value for name, value in parameters.items() if value is not None}


def _paths(http: Http) -> dict[str, Any]:
    paths = {name: getattr(http, name) for name in ("traces_url_path", "logs_url_path", "metrics_url_path")}
    return paths | {"idle": http.idle_timeout.total_seconds()}


def host_of(endpoint: str) -> str:
    """The host of `host:port`, less the brackets; raises ValueError when it is no such thing."""
    host, colon, port = endpoint.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535 or "/" in host:
        raise ValueError(f"endpoint is host:port, as in localhost:4317; got {endpoint!r}")
    return host.removeprefix("[").removesuffix("]")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
