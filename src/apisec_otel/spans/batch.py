"""One turn's spans: the native batch and what the components leave on it."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

GONE: Final = 2**64 - 1
"""The number of a request that is not held any more."""

Value = str | float | bool | int | list[str]


class NativeBatch(Protocol):
    """The face of `_native.SpanBatch`."""

    @property
    def spans(self) -> int: ...
    def __len__(self) -> int: ...
    def text(self, row: int, column: str, /) -> str | None: ...
    def annotate(self, row: int, attributes: dict[str, Value], /) -> None: ...
    def encode(self) -> list[bytes]: ...
    def secrets(self) -> dict[str, int]: ...
    def reasons(self) -> list[tuple[int, Any]]: ...


class SpanBatch:
    """The spans of the requests that one turn of the engine works on.

    Its rows are the spans that are API requests. Columns are read-only; what is written on a row leaves with its span.
    """

    __slots__ = ("findings", "incidents", "native", "now", "over", "raised", "steps")

    def __init__(self, native: NativeBatch) -> None:
        self.native = native
        self.now: int | None = None
        """Stream time (ns) when nothing came and only time passes."""
        self.over = False
        """Nothing comes any more: what is held is judged now."""
        self.steps: Released | None = None
        """Requests whose turn came to be judged in order; None when no detector wants it."""
        self.raised: list[Any] = []
        """Signals that the plan raised on these rows, for `decide`."""
        self.findings: list[Any] = []
        """What `decide` found worth showing, for connectors."""
        self.incidents: list[Any] = []
        """Incidents that changed, for connectors."""

    def __len__(self) -> int:
        return len(self.native)

    @property
    def spans(self) -> int:
        """Spans of every kind, rows or not."""
        return self.native.spans

    def text(self, row: int, column: str) -> str | None:
        """The text of a column, sliced from the bytes; None when it is missing."""
        return self.native.text(row, column)

    def annotate(self, row: int, attributes: dict[str, Value]) -> None:
        """Writes attributes on the row's span; keys already there are replaced."""
        self.native.annotate(row, attributes)

    def encode(self) -> list[bytes]:
        """The requests, one each as they came; the same content where nothing was written."""
        return self.native.encode()


class Released(SpanBatch):
    """Requests in the order of their time, whose spans have left: they are judged and told of, never written on."""

    __slots__ = ("alone", "before", "joined", "numbers")

    def __init__(
        self,
        native: NativeBatch,
        numbers: NDArray[np.uint64],
        before: NDArray[np.uint32],
        joined: Sequence[tuple[int, int]] = (),
        *,
        alone: bool = False,
    ) -> None:
        super().__init__(native)
        self.numbers = numbers
        """Which of all new requests each is, counted as they came."""
        self.before = before
        """The row of the batch in hand before which each was released."""
        self.joined = joined
        """Requests that will not be released, for another tells of the same call: their numbers, and that one's or `GONE`."""
        self.alone = alone
        """Whether some were not judged as they came: a gateway's, that nobody else told of."""
