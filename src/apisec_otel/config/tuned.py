"""Whether what is tuned by detector names detectors that are there, and asks of them what they can do."""

from collections.abc import Sequence

from apisec_otel.component import Tunes
from apisec_otel.config.model import Component, Config
from apisec_otel.config.node import below
from apisec_otel.config.settings import Reader
from apisec_otel.errors import suggest

ALL = "*"


def tuned(config: Config, reader: Reader) -> None:
    """Adds a problem for each detector that is not there, and each q that could not do what it says."""
    settings = [each.settings for each in config.used() if hasattr(each.settings, "detectors") and hasattr(each.settings, "running")]
    if not settings:
        return
    known = {id for each in settings for id in each.detectors}
    sound = not reader.problems
    at = {id: q for each in settings for id, _, _, q in each.running()}
    for component in config.used():
        for path, detectors, q in component.settings.tuned() if isinstance(component.settings, Tunes) else ():
            here = _Place(component, path, reader)
            for id in detectors:
                if id != ALL and id not in known:
                    here.problem("detectors", f"unknown detector {id!r}; {suggest(id, [*known, ALL])}")
            if q is not None and sound:
                without = {id for each in settings for id in each.without_p(config.custom_columns())}
                _stricter(detectors, q, at, without, here)


class _Place:
    """Where something is said."""

    def __init__(self, component: Component, path: Sequence[str], reader: Reader) -> None:
        self._component, self._path, self._reader = component, path, reader

    def problem(self, key: str, what: str) -> None:
        each, path = self._component, (*self._path, key)
        self._reader.problem(below(each.node, path), (each.family, str(each.id), *path), what)


def _stricter(detectors: Sequence[str], q: float, at: dict[str, float], without: set[str], here: _Place) -> None:
    """An override comes after the plan, which raises nothing above its own q."""
    able = {id: own for id, own in at.items() if id not in without and (id in detectors or ALL in detectors)}
    for id in detectors:
        if id in without and id in at:
            here.problem("q", f"{id} has no p-value, so q does not move it; set mode or severity, or the detector's own settings")
        elif id in able and q > able[id]:
            here.problem("q", _looser(q, f"{id}, which is {able[id]:g}"))
    if ALL in detectors and able and q > max(able.values()):
        here.problem("q", _looser(q, f"every detector, which is at most {max(able.values()):g}"))


def _looser(q: float, of: str) -> str:
    return f"{q:g} is above the q of {of}: an override only withholds what the detector raises; lower it, or raise detect's q"
