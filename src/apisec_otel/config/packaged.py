"""The pipelines that come with the package."""

from importlib.resources import files
from pathlib import Path

from apisec_otel.errors import ConfigError, Problem, suggest


def packaged(name: str = "default") -> Path:
    """The file of a pipeline; ConfigError with the names that there are."""
    folder = files("apisec_otel") / "pipelines"
    names = sorted(Path(each.name).stem for each in folder.iterdir() if each.name.endswith(".yaml"))
    if name not in names:
        raise ConfigError([Problem("", f"no packaged pipeline; {suggest(name, names)}", f"packaged:{name}")])
    return Path(str(folder / f"{name}.yaml"))
