"""Messages between the supervisor and its workers: plain values, framed, over a stream socket that both inherit.

The supervisor passes on what workers tell each other without looking into it: ``body`` is bytes to it.
"""

import pickle
import socket
import struct
import threading
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

_LENGTH = struct.Struct("!Q")
_RECEIVE_BYTES = 2**16


class Kind(IntEnum):
    """What a message is. Those before ``START`` are a worker's, the others the supervisor's."""

    JOIN = 1
    """The worker takes part from now on, and waits for ``START``."""
    LOADED = 2
    """Its models are available; it waits for ``OPEN``."""
    OPENED = 3
    """Both doors are open."""
    FAILED = 4
    """It cannot start; ``body`` is the reason as text."""
    ASK = 5
    """``operation`` for every worker, with ``body``; answered by ``ANSWERS``."""
    REPLY = 6
    """What a worker says to ``DO``; ``status`` is 0, or the code of an error whose text is in ``body``."""
    LOCK = 7
    """Nobody else is to change anything; answered by ``LOCKED``."""
    UNLOCK = 8
    KEEP = 9
    """``body`` under the name ``operation`` is for workers that start later."""
    TELL = 10
    """``operation`` and ``body`` for the other workers, which say nothing to it."""
    START = 11
    """``body`` has what a worker needs to know before it begins."""
    OPEN = 12
    DO = 13
    ANSWERS = 14
    LOCKED = 15
    MEMBERS = 16
    """Who takes part now."""
    STOP = 17
    """Drain, and end; ``status`` 1 is to end at once."""


class Message(NamedTuple):
    """One message. ``number`` connects a question with its answer; ``worker`` is who it comes from."""

    kind: int
    number: int = 0
    worker: int = -1
    operation: str = ""
    status: int = 0
    body: bytes = b""


def encode(message: Message) -> bytes:
    """The message as it is sent."""
    data = pickle.dumps(tuple(message), pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data


class Frames:
    """Puts together what arrives in pieces."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are complete with ``data``."""
        self._held += data
        while len(self._held) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._held)[0]
            if len(self._held) < end:
                return
            body = bytes(memoryview(self._held)[_LENGTH.size : end])
            del self._held[:end]
            yield Message(*pickle.loads(body))  # noqa: S301 - both ends are ours, and nobody else has the socket


class Channel:
    """A worker's end: ``send`` from any thread, ``receive`` from one."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._frames = Frames()
        self._sending = threading.Lock()

    def send(self, message: Message) -> None:
        """Blocks until it is written. Raises OSError if the supervisor is gone."""
        data = encode(message)
        with self._sending:
            self._socket.sendall(data)

    def receive(self) -> Iterator[Message]:
        """What arrives, until the supervisor is gone."""
        while True:
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
            except OSError:
                return
            if not data:
                return
            yield from self._frames.feed(data)
