"""Makes the real parts that end-to-end tests run against: the Collector (Go), the Node client, Debian's Alertmanager.

    python tests/e2e/parts/build.py [collector] [node] [alertmanager]

All land under .cache/, named by the hash of what they are made of, and are made once. Exits 1 with the way to get
a missing toolchain. Tests ask for them through the fixtures of conftest.py.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTS = Path(__file__).resolve().parent
CACHE = PARTS.parents[2] / ".cache"
COLLECTOR_SOURCES = ("manifest.yaml", "go.mod", "go.sum", "components.go", "main.go", "main_others.go")
NODE_SOURCES = ("package.json", "package-lock.json")
MINUTES_OF_BUILDING = 20


class PartMissing(Exception):
    """A part cannot be built here; the text says how to change that."""


def build_collector() -> Path:
    """The path of `otelcol`, compiled from the committed sources when it is not there yet (about 2 minutes)."""
    folder = CACHE / f"collector-{_digest(PARTS / 'collector', COLLECTOR_SOURCES)}"
    binary = folder / "otelcol"
    with _alone(folder):
        if not binary.exists():
            _compile(binary)
    return binary


def build_node() -> Path:
    """A folder with the Node client's scripts and its installed packages, from the committed lock file."""
    source = PARTS / "node"
    folder = CACHE / f"node-{_digest(source, NODE_SOURCES)}"
    with _alone(folder):
        if not (folder / "node_modules" / ".package-lock.json").exists():
            _need("npm", "the Node client", "install Node.js 20 or newer, which brings npm")
            for name in (*NODE_SOURCES, ".npmrc"):
                shutil.copy(source / name, folder / name)
            _run(["npm", "ci", "--ignore-scripts", "--no-fund", "--no-audit"], folder, {})
        for script in source.glob("*.mjs"):
            shutil.copy(script, folder / script.name)
    return folder


def build_alertmanager() -> Path:
    """The path of an `alertmanager`: the one on the PATH, or that of Debian's package, unpacked and not installed.

    It looks for its templates at an absolute path; a copy of it looks in the folder in which it is started.
    """
    if found := shutil.which("alertmanager"):
        return Path(found)
    folder = CACHE / "alertmanager"
    binary = folder / "alertmanager"
    with _alone(folder):
        if not binary.exists():
            _need("apt-get", "Alertmanager", "put `alertmanager` on the PATH (macOS: brew install alertmanager)")
            _unpack("prometheus-alertmanager", folder)
            whole = (folder / "usr/bin/prometheus-alertmanager").read_bytes()
            unfinished = binary.with_suffix(".new")
            unfinished.write_bytes(whole.replace(b"/usr/share/prometheus/", b"usr//share/prometheus/"))
            unfinished.chmod(0o755)
            unfinished.rename(binary)
    return binary


def _unpack(package: str, folder: Path) -> None:
    try:
        _run(["apt-get", "download", package], folder, {})
    except PartMissing:
        _run(["apt-get", "update"], folder, {})
        _run(["apt-get", "download", package], folder, {})
    (archive,) = folder.glob(f"{package}_*.deb")
    _run(["dpkg", "-x", str(archive), str(folder)], folder, {})


def _compile(binary: Path) -> None:
    go_build("the Collector", PARTS / "collector", ".", binary)


def go_build(part: str, folder: Path, package: str, binary: Path) -> None:
    """Compiles a package of a folder with go.mod and go.sum; the binary is there when it is whole."""
    _need("go", part, "install Go 1.25 or newer (Debian: golang-go from backports; macOS: brew install go)")
    proxy = subprocess.run(["go", "env", "GOPROXY"], capture_output=True, text=True, check=True).stdout.strip()
    # Without a fall-back to git hosts, a module that the proxy lacks is named at once.
    environment = {"CGO_ENABLED": "0", "GOPROXY": proxy.removesuffix(",direct")}
    unfinished = binary.with_suffix(".new")
    command = ["go", "build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", str(unfinished), package]
    _run(command, folder, environment)
    unfinished.rename(binary)


def _digest(folder: Path, names: tuple[str, ...]) -> str:
    together = hashlib.sha256()
    for name in names:
        together.update(name.encode() + b"\0" + (folder / name).read_bytes())
    return together.hexdigest()[:16]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lets one process at a time build into the folder; others wait for it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _need(program: str, part: str, how: str) -> None:
    if shutil.which(program) is None:
        raise PartMissing(f"{part} cannot be built: `{program}` is not on the PATH; {how}")


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | environment,
        timeout=MINUTES_OF_BUILDING * 60,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        raise PartMissing(f"`{' '.join(command)}` exited {done.returncode}:\n{done.stdout[-4000:]}")


def main(parts: list[str]) -> int:
    """Builds what is named, all when nothing is, and prints where it is."""
    known = {"collector": build_collector, "node": build_node, "alertmanager": build_alertmanager}
    try:
        for part in parts or list(known):
            if part not in known:
                raise PartMissing(f"no part {part!r}; there are: {', '.join(known)}")
            print(known[part]())
    except PartMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
