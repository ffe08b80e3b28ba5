"""State of parts as frames: first what it means, then its shards, part after part."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from apisec_otel.component import Keeps
from apisec_otel.snapshots.frames import Frame


def copied(parts: Mapping[str, Keeps]) -> Iterator[Frame]:
    """Every part in order; each shard is copied when it is asked for."""
    for name, part in parts.items():
        yield name, part.meaning.encode()
        for shard in part.snapshot():
            yield name, shard


def given(parts: Mapping[str, Keeps], saved: Iterable[Frame]) -> list[str]:
    """Gives each part what was saved of it; answers what begins without memory. Any exception: the frames are no state of ours."""
    cold, seen = [], set()
    for name, group in groupby(saved, key=lambda frame: frame[0]):
        meaning = next(group)[1].decode()
        part = parts.get(name)
        if part is None:
            continue
        seen.add(name)
        if part.meaning != meaning:
            cold.append(name)
        else:
            cold += [f"{name} ({each})" for each in part.restore(payload for _, payload in group)]
    return cold + [name for name in parts if name not in seen]
