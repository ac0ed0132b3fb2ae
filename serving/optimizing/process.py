"""Starts the child that optimises a model, talks to it, and ends it; what the child does is its own matter."""

import base64
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.codecs.protobuf import tensor_proto
from serving.core.tensor import DataType, Tensor
from serving.optimizing.candidates import NotOptimizedError, Step

SCRIPT = Path(__file__).with_name("child.py")

_TIMEOUT_SECONDS = 600.0
"""The child yields to everybody. On a machine without a free moment it is given up, and the model served as it is."""

_FDS_PER_MESSAGE = 100
_STDERR_SHOWN = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRequest:
    """What to optimise: the SavedModel at ``path``, whose ``signatures`` are answered by ``step``.

    ``config`` is a serialised ConfigProto, ``example`` what the step can be run with, ``libraries`` have custom
    operations. At most ``max_files`` weights become files of their own.
    """

    path: Path
    tags: tuple[str, ...]
    config: bytes
    signatures: tuple[str, ...]
    step: Step
    example: Sequence[Tensor]
    libraries: tuple[str, ...] = ()
    max_files: int = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimized:
    """What came of it: a serialised GraphDef, and the memory files of the weights that it names by their index."""

    graph: bytes
    weights: tuple[int, ...]

    def close(self) -> None:
        """Close the files."""
        for fd in self.weights:
            os.close(fd)


class Children:
    """Runs children, one for each thread that asks, and ends all of them at ``close``."""

    def __init__(self, command: Sequence[str] = (sys.executable, "-P", str(SCRIPT))) -> None:
        self._command = tuple(command)
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def optimize(self, request: ChildRequest, timeout_seconds: float = _TIMEOUT_SECONDS) -> Optimized:
        """Have it done, blocking. Raises NotOptimizedError with what the child says, or what became of it."""
        ours, theirs = socket.socketpair()
        stderr = os.memfd_create("stderr", os.MFD_CLOEXEC)
        try:
            ours.settimeout(timeout_seconds)
            child = self._start(theirs, stderr)
            try:
                ours.sendall(_encoded(request))
                return _answer(ours)
            except (OSError, EOFError) as error:
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

    def _start(self, theirs: socket.socket, stderr: int) -> subprocess.Popen[bytes]:
        with theirs, self._lock:
            if self._closed:
                raise NotOptimizedError("the server ends", expected=True)
            child = subprocess.Popen(  # noqa: S603 - the command is ours
                self._command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=stderr
            )
            self._running.add(child)
            return child

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        child.kill()
        child.wait()
        with self._lock:
            self._running.discard(child)


def _encoded(request: ChildRequest) -> bytes:
    tensors = [
        tensor_proto.encode(tensor, as_content=tensor.dtype is not DataType.STRING) for tensor in request.example
    ]
    fields = {
        "path": str(request.path),
        "tags": request.tags,
        "config": _text(request.config),
        "signatures": request.signatures,
        "feeds": request.step.feeds,
        "fetches": request.step.fetches,
        "tensors": [_text(tensor) for tensor in tensors],
        "libraries": request.libraries,
        "max_files": request.max_files,
    }
    return json.dumps(fields).encode() + b"\n"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _answer(connection: socket.socket) -> Optimized:
    """The child's answer. EOFError if it ended without one."""
    answer = json.loads(_line(connection))
    if "error" in answer:
        raise NotOptimizedError(str(answer["error"]))
    fds = _files(connection, 1 + int(answer["weights"]))
    graph, *weights = fds
    try:
        data = os.pread(graph, os.fstat(graph).st_size, 0)
    finally:
        os.close(graph)
    return Optimized(graph=data, weights=tuple(weights))


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
