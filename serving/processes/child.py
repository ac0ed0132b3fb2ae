"""A worker as its supervisor sees it: a process, its socket, and what is still to be sent to it."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from typing import NamedTuple

from serving.processes.wire import Frames, Kind, Message, encode

VARIABLE = "SERVING_WORKER"
"""What tells a process that it is a worker: the text of its ``Place``."""

_NUMBERS = 6

_RECEIVE_BYTES = 2**16


class Place(NamedTuple):
    """Which worker a process is, of how many, what it shares with the others: ports, for 0 none, and a descriptor.

    ``descriptor`` is that of its socket; -1 is none.
    """

    worker: int
    of: int
    ports: tuple[int, int] = (0, 0)
    shared: int = -1
    descriptor: int = -1

    @property
    def text(self) -> str:
        """What ``place`` reads."""
        return "/".join(map(str, (self.worker, self.of, *self.ports, self.shared, self.descriptor)))


def place(text: str) -> Place | None:
    """What the environment says; None for a process that is no worker."""
    numbers = text.split("/")
    if len(numbers) != _NUMBERS:
        return None
    worker, of, grpc_port, rest_port, shared, descriptor = map(int, numbers)
    return Place(worker, of, (grpc_port, rest_port), shared, descriptor)


class Stage(Enum):
    """How far a worker is."""

    STARTING = "starting"
    JOINING = "joining"
    LOADING = "loading"
    LOADED = "loaded"
    OPENING = "opening"
    SERVING = "serving"


class Child:
    """The process of a worker: the program of ``command``, run with what it inherits."""

    def __init__(self, where: Place, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.number = where.worker
        self.stage = Stage.STARTING
        self.began = time.monotonic()
        self._frames = Frames()
        self._unsent = bytearray()
        self.socket, theirs = socket.socketpair()
        with theirs:
            for descriptor in (theirs.fileno(), where.shared):
                os.set_inheritable(descriptor, True)
            self.pid = os.posix_spawn(
                sys.executable,
                list(command),
                {**environment, VARIABLE: where._replace(descriptor=theirs.fileno()).text},
                setpgroup=0,  # a terminal's ^C is for the supervisor, which tells its workers in its own way
                setsigmask=(),
            )
        self.socket.setblocking(False)
        self.ended = os.pidfd_open(self.pid)

    @property
    def takes_part(self) -> bool:
        """Whether what workers ask each other is asked of it, too."""
        return self.stage not in (Stage.STARTING, Stage.JOINING)

    @property
    def has_unsent(self) -> bool:
        """Whether ``flush`` is to be called once the socket takes more."""
        return bool(self._unsent)

    def send(self, kind: Kind, number: int = 0, worker: int = -1, **more: object) -> None:
        """Have a message sent, now or later; nothing waits for a worker that does not listen."""
        self._unsent += encode(Message(kind, number, worker, **more))  # type: ignore[arg-type]
        self.flush()

    def flush(self) -> None:
        """Send what its socket takes."""
        with suppress(BlockingIOError, ConnectionError):
            while self._unsent:
                del self._unsent[: self.socket.send(self._unsent)]

    def receive(self) -> Iterator[Message]:
        """What has arrived."""
        while True:
            try:
                data = self.socket.recv(_RECEIVE_BYTES)
            except (BlockingIOError, ConnectionError):
                return
            if not data:
                return
            yield from self._frames.feed(data)

    def kill(self) -> None:
        """End it without a drain."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def reap(self) -> int:
        """Its status, as ``os.waitstatus_to_exitcode`` gives it; it has ended."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self.ended)
        self.socket.close()
        return os.waitstatus_to_exitcode(status)
