"""Typed face of the native module: codec, row processors, plan and transport."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt

RECORD_FIELDS: list[tuple[str, str, int]]
MARKS: dict[str, int]
"""Name, numpy format and offset of each field of a record."""

@final
class Vocabulary:
    """Which attributes feed which column, and the secret (16 bytes) under which texts become ids."""

    def __new__(cls, spec: str, secret: bytes) -> Vocabulary: ...
    def hash(self, text: str | bytes) -> int:
        """The id of a text; never 0."""

@final
class SpanBatch:
    """The spans of the requests that are processed together; as a buffer, its records, read-only."""

    @property
    def spans(self) -> int:
        """Spans of any kind."""
    @property
    def members(self) -> int:
        """Requests."""
    @property
    def over_limits(self) -> int:
        """Spans of a kept kind left out, as they have more or longer attributes than is analysed."""
    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def text(self, row: int, column: str) -> str | None:
        """A text column of a row; None when it is missing. Invalid UTF-8 reads as U+FFFD."""
    def annotate(self, row: int, attributes: dict[str, str | float | bool | int | list[str]]) -> None:
        """Writes attributes on a row's span when it is encoded; a key written before is replaced."""
    def encode(self) -> list[bytes]:
        """The requests to send on, one a member; the same content where nothing is written."""
    def reasons(self) -> list[tuple[int, tuple[tuple[str, str, str, str], bool, float, float, int, list[float]]]]:
        """Why rows are unusual in what they say: the row, then feature, place, name, word, whether it is missing, how often it was
        so and of how many, the length, and the nats of value, path, names and doubled ones."""
    def secrets(self) -> dict[str, int]:
        """How many values are overwritten, by the name of what holds them."""

def decode(requests: list[bytes], vocabulary: Vocabulary, max_spans: int = 131_072) -> SpanBatch:
    """Decodes requests of at most `max_spans` spans each. ValueError names the offset of what is wrong."""

def transcode(json: bytes) -> bytes:
    """An OTLP/JSON trace request as protobuf. ValueError names the offset of what is wrong."""

def split(request: bytes, max_spans: int, max_bytes: int) -> list[bytes]:
    """A request cut at span boundaries into parts of at most `max_spans` spans and `max_bytes` bytes."""

def text_features(raw: bytes, plus: bool, body: bool, syntax_json: str) -> tuple[int, int, int, int, int]:
    """Length bucket, classes, shape, score and place of the family (255: none) of a text. ValueError says what is wrong with a syntax."""

class Links:
    """Which ids were seen together, directly or over others."""

    def __new__(cls, settings: str) -> Links: ...
    def observe(self, batch: SpanBatch, start: int, end: int) -> None:
        """Notes the rows from `start` on and before `end`."""
    def near(self, id: int, now: int) -> list[tuple[int, float]]:
        """The ids linked with one at a time (ns), the strongest first, each with its strength, 0 to 1."""
    def shards(self) -> Iterator[bytes]:
        """Its state, each shard copied when it is asked for."""
    def load(self, shard: bytes) -> bool:
        """Takes up a shard; false when it is of another layout. ValueError: no shard."""
    def restart(self) -> None:
        """Forgets all links."""
    def metrics(self) -> dict[str, int]:
        """`entries` and `bytes` now; `evicted` and `expired` since the start."""

class Ranks:
    """How suspicious each session is, within so many bytes; lower ranks than `least` are none."""

    def __new__(cls, bytes: int, least: float) -> Ranks: ...
    def follow(self, released: SpanBatch | None, told: list[bytes], asked: list[tuple[int, int]]) -> list[float]:
        """Takes up what rows say, a float64 a row for each signal; of each (session, rows) its rank as of so many rows, 0 for none."""
    def counts(self) -> tuple[int, int]:
        """Sessions known, and how many went for want of room."""
    def shards(self) -> Iterator[bytes]:
        """Its state, each shard copied when it is asked for."""
    def load(self, shard: bytes) -> bool:
        """Takes up a shard; false when it is of another layout. ValueError: no shard."""
    def restart(self) -> None:
        """Forgets all."""

class Payload:
    """All that is learned of what requests say. ValueError says what is wrong with the settings."""

    def __init__(self, settings: str, vocabulary: Vocabulary) -> None: ...
    def process(self, batch: SpanBatch) -> None:
        """Fills payload_p, payload_score and payload_usual, and learns at the next second."""
    def advance(self, now: int) -> None:
        """Lets stream time (ns) pass without a request."""
    def restart(self) -> None:
        """Another recording begins; what was learned stays."""
    def metrics(self) -> dict[str, Any]:
        """Entries, bytes, evicted and expired of each table, by its name; requests that did not teach, and those that were cut."""
    def shards(self) -> Iterator[bytes]:
        """What is learned, each shard copied when it is asked for."""
    def load(self, shard: bytes) -> bool:
        """Takes up a shard; false when it is of another layout. ValueError: no shard."""

Released: TypeAlias = tuple[SpanBatch, bytes, bytes, list[tuple[int, int]], bool]
"""Requests in order of time; as u64 which request each is, as u32 the row of the batch in hand before which it was released."""

class Steps:
    """Requests held back until those before them have come."""

    def __new__(cls, settings: str) -> Steps: ...
    def process(self, batch: SpanBatch) -> Released:
        """Holds the new requests of a batch; those whose time has come."""
    def advance(self, now: int) -> Released:
        """Lets stream time (ns) pass without a request."""
    def drain(self) -> Released:
        """Everything that is held."""
    def reuse(self, batch: SpanBatch) -> None:
        """Takes back the memory of a released batch; it is empty afterwards."""
    def shards(self) -> Iterator[bytes]:
        """What it holds, each shard copied when it is asked for."""
    def load(self, shard: bytes) -> bool:
        """Takes up a shard; false when it is of another layout. ValueError: no shard."""
    def bound(self) -> int:
        """Time (ns) before which nothing will be released any more."""
    def restart(self) -> None:
        """Begins anew with another recording."""
    def counts(self) -> dict[str, int]:
        """`late` and `hurried` since the start; `held` and `bytes` now."""

class Plan:
    """All detectors as one plan, with everything they remember. ValueError says which node is wrong."""

    def __init__(self, spec: str, outside: Callable[..., npt.NDArray[np.float64]] | None = None) -> None: ...
    def inputs(self) -> list[tuple[str, str]]: ...
    def run(
        self, batch: SpanBatch, ask_all: bool = False, values: Sequence[int] = (), late: tuple[SpanBatch, bytes] | None = None
    ) -> Answers:
        """`late`: released requests and, as bytes of uint32, the row of the batch before which each was; those that were set back
        are judged there, numbered on from the batch's last row."""
    def run_columns(
        self,
        columns: dict[str, npt.NDArray[np.float64] | npt.NDArray[np.int8] | npt.NDArray[np.uint64]],
        time: npt.NDArray[np.int64],
        late: npt.NDArray[np.bool_] | npt.NDArray[np.uint8] | None = None,
        ask_all: bool = False,
        values: Sequence[int] = (),
    ) -> Answers: ...
    def split(self, settings: str, vocabulary: Vocabulary) -> None:
        """From now on its rows are the items of requests, taken apart as the settings say. ValueError: what is wrong with them."""
    def cut(self) -> int:
        """Items that were not looked at, for their request has too many."""
    def tables(self) -> list[dict[str, str | int]]: ...
    def flag(self, raised: list[tuple[int, int]]) -> None:
        """Flags entities that were raised at a time (ns) on rows that another plan judges before these come to it."""
    def advance(self, time: int) -> None:
        """Lets time (ns) pass without a row: windows that are over close. No row may come later with a time before it."""
    def restart(self) -> None:
        """Ends a recording before one that begins in its past: windows close, tallies and flags go, baselines stay."""
    def shards(self) -> Iterator[bytes]:
        """Its state, each shard copied when it is asked for."""
    def load(self, shard: bytes) -> bool:
        """Takes up a shard; false when it is of another layout, ValueError when it is none."""
    def loaded(self) -> list[str]:
        """After the last shard: what was not in them."""

class Answers:
    """What a run answered; rows are rows of the run."""

    @property
    def raised(self) -> list[tuple[int, int, float, int, int, list[tuple[float, float]]]]: ...
    @property
    def scores(self) -> list[bytes]: ...
    @property
    def ranks(self) -> list[bytes]: ...
    @property
    def named(self) -> list[tuple[str, str]]:
        """Where rows are items: place and name of each that was raised."""
    @property
    def numbers(self) -> bytes:
        """Where rows are items: the batch's row of each that has values, as uint32; `values` have one an item."""
    @property
    def learning(self) -> bytes: ...
    @property
    def values(self) -> list[bytes]: ...

def kernels() -> list[tuple[str, str, int]]: ...
def mix(a: int, b: int) -> int: ...

@final
class Requests:
    """Which rows are requests, when they count, where they came from."""

    def __new__(cls, settings: str, vocabulary: Vocabulary) -> Requests: ...
    def process(self, batch: SpanBatch, received: int | None = None) -> None: ...
    def remember(self, batch: SpanBatch) -> None: ...
    def now(self) -> int: ...
    def idle(self, until: int) -> None: ...
    def is_behind(self, batch: SpanBatch) -> bool | None: ...
    def restart(self) -> None: ...
    def counts(self) -> dict[str, int]: ...
    def shards(self) -> Iterator[bytes]:
        """Its state, each shard copied when it is asked for."""
    def load(self, shard: bytes) -> bool:
        """Takes up a shard; false when it is of another layout, ValueError when it is none."""
    def loaded(self) -> list[str]:
        """After the last shard: what was not in them."""

@final
class Coverage:
    """What each service's requests lack, which instrumentation writes them, when a busy one fell silent."""

    def __new__(cls, settings: str) -> Coverage: ...
    def process(self, batch: SpanBatch) -> None: ...
    def advance(self, now: int) -> None: ...
    def now(self) -> int: ...
    def services(self) -> list[dict[str, Any]]: ...
    def overflow(self) -> int: ...

@final
class Endpoints:
    """Which endpoint a request hit."""

    def __new__(cls, settings: str, vocabulary: Vocabulary) -> Endpoints: ...
    def process(self, batch: SpanBatch) -> None: ...
    def name(self, endpoint: int) -> str | None: ...
    def overflow(self) -> int: ...
    def __len__(self) -> int: ...
    def shards(self) -> Iterator[bytes]:
        """Its state, each shard copied when it is asked for."""
    def load(self, shard: bytes) -> bool:
        """Takes up a shard; false when it is of another layout, ValueError when it is none."""
    def loaded(self) -> list[str]:
        """After the last shard: what was not in them."""

@final
class Sessions:
    """Who asked and in which session."""

    def __new__(cls, settings: str, vocabulary: Vocabulary) -> Sessions: ...
    def process(self, batch: SpanBatch) -> None: ...
    def ended(self) -> list[tuple[int, int]]: ...
    def restart(self) -> None: ...
    def metrics(self) -> dict[str, int]: ...
    def shards(self) -> Iterator[bytes]:
        """Its state, each shard copied when it is asked for."""
    def load(self, shard: bytes) -> bool:
        """Takes up a shard; false when it is of another layout, ValueError when it is none."""
    def loaded(self) -> list[str]:
        """After the last shard: what was not in them."""

@final
class Request:
    """One received request, waiting for its reply. Dropped without one, it is refused as retryable."""

    def accept(self, rejected: int = 0, message: str = "") -> None: ...
    def refuse(self, message: str, code: int = 14, retry_after: float | None = 1.0) -> None: ...

@final
class Exporter:
    """One backend."""

    @property
    def delivered_bytes(self) -> int: ...
    def turn(self) -> None: ...

@final
class Server:
    """One running receiver."""

    @property
    def addresses(self) -> dict[str, str]: ...
    def begin_drain(self) -> None: ...
    def drain(self, timeout: float = 10.0) -> bool: ...

@final
class Io:
    """The I/O thread and all that lives on it."""

    def __new__(cls, config: str, vocabulary: Vocabulary) -> Io: ...
    def exporter(self, config: str) -> Exporter: ...
    def server(self, config: str, engine: dict[str, Exporter | None], direct: dict[str, Exporter]) -> Server: ...
    def pull(self, max_requests: int = 1024, max_spans: int = 131_072, wait: float = 0.1) -> list[Request]: ...
    def push_batch(self, exporter: Exporter, requests: list[Request], batch: SpanBatch, withhold: bool = False) -> tuple[int, int, int]: ...
    def send(self, exporter: Exporter, signal: str, data: bytes) -> int | None: ...
    def drain_results(self) -> list[tuple[int, str, str, int, str, float | None, bool]]: ...
    def counters(self) -> list[tuple[str, str, str, str, str, int]]: ...
    @property
    def in_flight_bytes(self) -> int: ...
    def close(self) -> None: ...

def batch(requests: list[Request]) -> SpanBatch: ...
def exposed(endpoint: str) -> str | None: ...
def __getattr__(name: str) -> Any: ...
