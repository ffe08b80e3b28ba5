"""What a component is: frozen settings, as typed in YAML, that build the thing that runs.

    @dataclass(frozen=True, kw_only=True)
    class Drop:
        \"\"\"Says what it does, in one line.\"\"\"

        needs: ClassVar[frozenset[str]] = frozenset({"endpoint"})

        older_than: timedelta = timedelta(minutes=10)
        \"\"\"Every setting has a default, a unit and this line.\"\"\"

        def build(self, host: Host) -> Processor:
            return _Dropping(self)

There is no base class: a settings class fits by having `build`. What else it may declare has a default in
`declared()`. Its name in YAML is its file's name; `builtin.py` or an entry point lists it.
"""

import keyword
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, runtime_checkable

from pydantic import BeforeValidator, SecretStr, WithJsonSchema

from apisec_otel.clock import Clock, SystemClock
from apisec_otel.reply import Reply
from apisec_otel.telemetry import Telemetry

if TYPE_CHECKING:
    from apisec_otel.spans.batch import SpanBatch

Signal = Literal["traces", "logs", "metrics"]
Family = Literal["receivers", "processors", "connectors", "exporters", "extensions", "detectors"]
FAMILIES: tuple[Family, ...] = ("receivers", "processors", "connectors", "exporters", "extensions", "detectors")

UNMATCHED = "(unmatched)"
"""Endpoint of a request whose service, method or route is not known."""

_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "ki": 1024, "mi": 1024**2, "gi": 1024**3}


def parse_size(value: object) -> object:
    """Reads `32MiB`, `10MB` or a number of bytes; what is no text is left as it is."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]i?)?b?\s*", value, re.IGNORECASE)
    if not found:
        raise ValueError("a size is a number of bytes, or one with a unit: 64KiB, 32MiB, 1GiB")
    return int(float(found[1]) * _UNITS[(found[2] or "").lower()])


Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": ["integer", "string"], "minimum": 0, "pattern": r"^\s*\d+(\.\d+)?\s*([kKmMgG]i?)?[bB]?\s*$"}),
]
"""Bytes; in YAML a number or `32MiB`."""


@dataclass(frozen=True)
class OneOrMore:
    """Marks a tuple of texts of which one may stand alone: `service: shop`."""


def _some(value: object) -> object:
    if isinstance(value, (list, tuple)) and not (value and all(value)):
        raise ValueError("is empty, which means nobody; leave the key out to mean all")
    return value


Words = Annotated[
    tuple[str, ...],
    OneOrMore(),
    BeforeValidator(_some),
    WithJsonSchema({"type": ["string", "array"], "items": {"type": "string"}, "minItems": 1}),
]
"""A text, or a list of them; what is written must not be empty."""


@dataclass(frozen=True)
class Nested:
    """Marks a `dict[str, Any]` setting whose keys are ids of a family of components and whose values are their settings."""

    family: Family
    beside: type
    """Dataclass of the keys that the engine adds to each component's own."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """One entry of a `Nested` setting, checked."""

    settings: Any
    """The component's settings, built."""
    beside: Any
    """The engine's keys, built."""


@runtime_checkable
class Processor(Protocol):
    """A step of the pipeline; strictly in order, one batch at a time."""

    def process(self, batch: "SpanBatch", /) -> None:
        """Fills columns or writes annotations. Raise `RefusedError` to refuse; anything else raised is a fault of the component."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """A processor that keeps what the ones behind it wrote, for a sender that tries again."""

    def remember(self, batch: "SpanBatch", /) -> None:
        """Called once all processors have run."""
        ...


@runtime_checkable
class Restarts(Protocol):
    """A processor that keeps what belongs to one recording."""

    def restart(self) -> None:
        """Ends what is open, for a recording that begins in the past of the one before; what was learned of usual traffic stays."""
        ...


@runtime_checkable
class Keeps(Protocol):
    """What has state that outlives the process: a processor or connector that fits is saved, and given its state back.

    Rows are counted between two shards, so a part that has yet to count something copies it after what it counts in.
    """

    @property
    def meaning(self) -> str:
        """What the state depends on; state that was saved under another meaning is not given back."""
        ...

    def snapshot(self) -> Iterator[bytes]:
        """The state in shards; each is copied when it is asked for, in 1 ms or less, and the next one a turn later."""
        ...

    def restore(self, shards: Iterable[bytes], /) -> Sequence[str]:
        """Takes up all shards, before any batch; answers what begins without memory, in words. Any exception: they are no shards."""
        ...


@runtime_checkable
class Exporter(Protocol):
    """Where requests go. One that answers the sender is a `pipeline.Sink` as well."""

    def export(self, signal: Signal, requests: Sequence[bytes], /) -> Reply:
        """Takes encoded export requests, all or none; waits for the backend, at most its timeout."""
        ...


@runtime_checkable
class Queues(Protocol):
    """An exporter whose `export` waits for no backend, for it keeps a queue of its own: it need not wait for those of others either."""

    @property
    def queues(self) -> bool:
        """True."""
        ...

    @property
    def failure(self) -> str:
        """Why the last try failed, for the health report, without what was sent; empty when it did not."""
        ...


@runtime_checkable
class Connector(Protocol):
    """Ends a pipeline and feeds others."""

    def consume(self, batch: "SpanBatch", /) -> None:
        """Takes what the processors left on the batch; never blocks."""
        ...


@runtime_checkable
class Running(Protocol):
    """What has a life of its own (a socket, a thread, a file) is started and stopped by the service."""

    def start(self) -> None:
        """Called once, before anything flows."""
        ...

    def stop(self) -> None:
        """Called once, after everything has flowed; also when `start` was never called."""
        ...


@runtime_checkable
class Listens(Protocol):
    """Settings of a component that accepts connections."""

    def listens(self) -> Sequence[str]:
        """`host:port` of each listener."""
        ...


@runtime_checkable
class Sends(Protocol):
    """Settings of a component that connects."""

    def sends(self) -> Sequence[str]:
        """`host:port` of each destination."""
        ...


@runtime_checkable
class Holds(Protocol):
    """Settings of a component that keeps a table."""

    def table_bytes(self) -> int:
        """The table's cap."""
        ...


@runtime_checkable
class Verifies(Protocol):
    """Settings that can tell before the start whether they would build."""

    def verify(self, custom: Mapping[str, str], /) -> Sequence[str]:
        """What should be known before it runs; raises with what is wrong and what to write instead."""
        ...


@runtime_checkable
class Reads(Protocol):
    """Settings that read columns beyond those that they need."""

    def reads(self, custom: Mapping[str, str], /) -> Mapping[str, frozenset[str]]:
        """By what reads them, the columns that are read."""
        ...


@runtime_checkable
class Tunes(Protocol):
    """Settings that change what detectors' signals become."""

    def tuned(self) -> Iterable[tuple[Sequence[str], Sequence[str], float | None]]:
        """Of each place: the keys that lead to it, the detectors that it names (`*` is all), and the q that it asks of them."""
        ...


@runtime_checkable
class Builds(Protocol):
    """Settings that build what runs. OTLP receivers and exporters do not: the transport is made of them all together."""

    def build(self, host: "Host") -> Any:
        """What runs; raises ComponentError when it cannot."""
        ...


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a component class says of itself, beside its settings."""

    provides: frozenset[str] = frozenset()
    """Columns that are filled once it has run."""
    needs: frozenset[str] = frozenset()
    """Columns that must be filled before it runs."""
    signals: frozenset[str] = frozenset({"traces"})
    """Kinds of pipeline in which it may stand."""
    gives: frozenset[str] = frozenset()
    """Of a connector: kinds of pipeline that it can feed."""
    first: bool = False
    """Of a processor: nothing may stand before it."""
    replies: bool = False
    """Of an exporter: its answer is the reply to the sender."""
    annotates: bool = False
    """Of a processor: it writes on spans."""
    changes: Mapping[str, frozenset[str]] | None = None
    """Of a processor: which columns get other values when a setting changes; not said, any setting changes all it provides."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Keys known from the Collector that are refused, and why."""


def declared(component: type) -> Declared:
    """Reads a component class's declarations; what it leaves out has the default of `Declared`."""
    found = {name: getattr(component, name) for name in Declared.__dataclass_fields__ if hasattr(component, name)}
    return Declared(**found)


class EndpointNames:
    """Names of endpoints by key, as the step that tells endpoints apart knows them."""

    def __init__(self) -> None:
        self._source: Callable[[int], str | None] = lambda key: None

    def follow(self, source: Callable[[int], str | None]) -> None:
        """Asks `source` from now on."""
        self._source = source

    def checkpoint(self) -> Callable[[], None]:
        """What is answered, when called, goes back to the present source."""
        return partial(self.follow, self._source)

    def name(self, key: int) -> str:
        """`service METHOD /route`, control characters escaped; `(unmatched)` for a key that is 0 or not known."""
        name = self._source(key) if key else None
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name) if name else UNMATCHED


@dataclass(frozen=True, kw_only=True)
class Host:
    """What the service lends a component when it builds it."""

    id: str = ""
    """The component's own id, `type/name`."""
    clock: Clock = field(default_factory=SystemClock)
    telemetry: Telemetry = field(default_factory=Telemetry)
    vocabulary: Any = None
    """The native vocabulary: which attributes feed which column; its `hash` makes ids."""
    view: Callable[[Any], Any] = lambda batch: batch
    """A native batch's rows as a structured array."""
    endpoint_names: EndpointNames = field(default_factory=EndpointNames)
    """Names of endpoints by their key; the processor `endpoints` knows them."""
    received: Callable[[], int | None] = lambda: None
    """When what is being worked on was received, ns since 1970; None takes the end of each span."""
    custom: Mapping[str, str] = field(default_factory=dict)
    """Kinds of the columns that configuration adds, by name."""
    meanings: Mapping[str, str] = field(default_factory=dict)
    """By column: the settings that its values depend on. State about a column whose meaning changed is not kept."""
    rules: Mapping[str, type] = field(default_factory=dict)
    """Settings classes of the detectors that run, by id: what a finding says of its rule."""
    directory: Path | None = None
    """Where state may be kept; none without `file_storage`."""
    in_flight: Callable[[], int] = lambda: 0
    """Bytes of requests that were received and not yet answered."""
    table_bytes: int = 0
    """What all tables of the service may hold together."""
    outputs: Mapping[Signal, Sequence[Exporter]] = field(default_factory=dict)
    """Of a connector: the exporters of the pipelines that it feeds, by signal."""
    signals: frozenset[str] = frozenset({"traces"})
    """Kinds of pipeline in which this component stands."""


def spelled(name: str) -> str:
    """A field's name as its key: `from_` is `from`, a word that Python keeps for itself."""
    return name.removesuffix("_") if keyword.iskeyword(name.removesuffix("_")) else name


def leaves(settings: Any) -> Iterator[tuple[str, Any]]:
    """Pairs of name and value of a settings object, in order; what it made of them itself is none."""
    for each in fields(settings):
        if each.init:
            yield spelled(each.name), getattr(settings, each.name)


def for_native(settings: Any) -> dict[str, Any]:
    """Settings as the JSON that native code takes: durations in seconds, sizes in bytes, secrets told.

    Settings that have a `for_native` of their own say it themselves.
    """
    if hasattr(settings, "for_native"):
        own: dict[str, Any] = settings.for_native()
        return own
    return {name: plain(value) for name, value in leaves(settings)}


def plain(value: Any) -> Any:
    """One value as JSON takes it."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if hasattr(value, "__dataclass_fields__"):
        return for_native(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    return value
