"""Runs real programs for a test: free ports, waiting until one answers, its output kept, its end in any case."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeVar

PATIENCE = 20.0
"""Seconds that something may take before the test gives up; never slept in full."""
PAUSE = 0.02
OUTPUT_SHOWN = 4000

Found = TypeVar("Found")


_given: set[int] = set()


def free_port() -> int:
    """A TCP port of loopback that nobody listens on now, another one each time.

    A server that shares its port with others of its kind (gRPC's do) does not keep the system from giving it out.
    """
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        with socket.socket() as client:
            taken = client.connect_ex(("127.0.0.1", port)) == 0
        if port not in _given and not taken:
            _given.add(port)
            return port


def until(look: Callable[[], Found], what: str, seconds: float = PATIENCE) -> Found:
    """What `look` answers, as soon as it is true; AssertionError naming `what` and the last answer after the deadline."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what} (last seen: {found!r})")
        time.sleep(PAUSE)
    return found


def listens(port: int) -> bool:
    """Whether somebody accepts connections on this port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str) -> bool:
    """Whether a GET of the URL answers with 200."""
    with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=1) as reply:
        return bool(reply.status == 200)
    return False


class Process:
    """A program that runs until the test ends, its two outputs in one file.

    `with Process("collector", [...], log=tmp_path / "collector.log", ready=lambda: answers(url)) as collector: ...`
    Entering waits until `ready` is true; a program that ends before shows its output in the error.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        ready: Callable[[], bool] = lambda: True,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._command = [str(each) for each in command]
        self._ready = ready
        self._env = os.environ | dict(env or {})
        self._cwd = cwd
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, seconds: float = PATIENCE) -> None:
        """Starts it (again) with the same command and waits until it is ready."""
        assert not self.alive, f"{self.name} runs already"
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT, env=self._env, cwd=self._cwd)
        try:
            until(self._up, f"{self.name} is ready", seconds)
        except AssertionError as late:
            self.kill()
            raise AssertionError(f"{late}\n{self.output[-OUTPUT_SHOWN:]}") from None

    def _up(self) -> bool:
        assert self.alive, f"{self.name} ended at once with {self.returncode}:\n{self.output[-OUTPUT_SHOWN:]}"
        return self._ready()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._child is not None
        return self._child.pid

    @property
    def returncode(self) -> int | None:
        """What it exited with, None while it runs."""
        return self._child.poll() if self._child else None

    @property
    def output(self) -> str:
        """All it has written, over restarts too."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait(self, seconds: float = PATIENCE) -> int:
        """Waits for its own end; answers the exit code."""
        assert self._child is not None
        return self._child.wait(seconds)

    def kill(self) -> None:
        """Ends it without a chance to say goodbye (SIGKILL)."""
        self._end(signal.SIGKILL, PATIENCE)

    def stop(self, seconds: float = PATIENCE) -> None:
        """Ends it orderly (SIGTERM), by force after `seconds`."""
        self._end(signal.SIGTERM, seconds)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, for instance SIGSTOP to freeze it."""
        if self._child is not None and self.alive:
            self._child.send_signal(number)

    def _end(self, number: signal.Signals, seconds: float) -> None:
        if self._child is None or not self.alive:
            return
        self._child.send_signal(signal.SIGCONT)
        self._child.send_signal(number)
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
