"""Starts the processes that freeze models and try engines, asks them one thing each, and ends them.

A process gets one line of JSON on the socket that is its standard input, with the files that it may read open, and
answers with one, followed by files. What it does is its own matter: it may take long, need much memory, or die.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.optimizing.candidates import NotOptimizedError

_TIMEOUT_SECONDS = 600.0
"""The child yields to everybody. On a machine without a free moment it is given up, and the model served as it is."""

_FDS_PER_MESSAGE = 100
_STDERR_SHOWN = 300

_ROOT = str(Path(__file__).resolve().parents[2])
_FREEZING = f"import sys; sys.path.insert(0, {_ROOT!r}); from serving.optimizing.child.main import main; main()"
_TRYING = f"import sys; sys.path.insert(0, {_ROOT!r}); from serving.optimizing.trial import main; main()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The commands that freeze a model and that try engines on it."""

    freezing: Sequence[str] = (sys.executable, "-P", "-c", _FREEZING)
    trying: Sequence[str] = (sys.executable, "-P", "-c", _TRYING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a process said, and the files that it gave, which are the caller's to close."""

    facts: Mapping[str, Any]
    files: tuple[int, ...] = ()

    def close(self) -> None:
        """Close the files."""
        for fd in self.files:
            os.close(fd)


class Children:
    """Runs processes, one for each thread that asks, and ends all of them at ``close``."""

    def __init__(self, programs: Programs | None = None) -> None:
        self.programs = programs or Programs()
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def ask(
        self,
        command: Sequence[str],
        request: Mapping[str, Any],
        files: Sequence[int] = (),
        *,
        timeout_seconds: float = _TIMEOUT_SECONDS,
        given_up: Callable[[], bool] = lambda: False,
    ) -> Answer:
        """Have it done, blocking; ``files`` are open for it under their numbers.

        ``given_up`` is asked once more before it starts. Raises NotOptimizedError with what it says, or what became of
        it.
        """
        ours, theirs = socket.socketpair()
        stderr = os.memfd_create("stderr", os.MFD_CLOEXEC)
        try:
            ours.settimeout(timeout_seconds)
            child = self._start(command, theirs, stderr, files, given_up)
            try:
                ours.sendall(json.dumps(request).encode() + b"\n")
                return _answer(ours)
            except (OSError, EOFError, ValueError) as error:
                raise NotOptimizedError(_failure(child, stderr, error), expected=self._closed) from error
            finally:
                self._end(child)
        finally:
            ours.close()
            os.close(stderr)

    def close(self) -> None:
        """End what runs; nothing is started any more."""
        with self._lock:
            self._closed = True
            for child in self._running:
                child.kill()

    def _start(
        self,
        command: Sequence[str],
        theirs: socket.socket,
        stderr: int,
        files: Sequence[int],
        given_up: Callable[[], bool],
    ) -> subprocess.Popen[bytes]:
        with theirs, self._lock:
            if self._closed or given_up():
                raise NotOptimizedError("the server ends" if self._closed else "it is unloaded", expected=True)
            child = subprocess.Popen(  # noqa: S603 - the command is ours
                command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=stderr, pass_fds=files
            )
            self._running.add(child)
            return child

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        child.kill()
        child.wait()
        with self._lock:
            self._running.discard(child)


def _answer(connection: socket.socket) -> Answer:
    """The answer of a process. EOFError if it ended without one."""
    facts = json.loads(_line(connection))
    if "error" in facts:
        raise NotOptimizedError(str(facts["error"]))
    return Answer(facts=facts, files=tuple(_files(connection, int(facts["files"]))))


def _line(connection: socket.socket) -> bytes:
    """Read to the end of a line and no further: what follows carries files."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            raise EOFError
        line += byte
    return bytes(line)


def _files(connection: socket.socket, count: int) -> list[int]:
    fds: list[int] = []
    try:
        while len(fds) < count:
            data, more, _, _ = socket.recv_fds(connection, 1, _FDS_PER_MESSAGE, socket.MSG_CMSG_CLOEXEC)
            if not data or not more:
                raise EOFError
            fds += more
    except (OSError, EOFError):
        for fd in fds:
            os.close(fd)
        raise
    return fds


def _failure(child: "subprocess.Popen[bytes]", stderr: int, error: Exception) -> str:
    """What became of a child that gave no answer: its end, or that it took too long, and the last it said."""
    if isinstance(error, TimeoutError):
        return "optimising it took too long"
    child.kill()
    status: Any = child.wait()
    size = os.fstat(stderr).st_size
    said = os.pread(stderr, _STDERR_SHOWN, max(size - _STDERR_SHOWN, 0)).decode(errors="replace").strip()
    return f"the process that optimises it ended with status {status}: {said.rpartition(chr(10))[2] or 'no words'}"
