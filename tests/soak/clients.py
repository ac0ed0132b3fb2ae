"""Clients that call until nobody takes their calls any more, and know what became of each call."""

import contextlib
import random
import re
import select
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import grpc

CALL_SECONDS = 60.0
"""More than any server keeps a call that it will answer."""

_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_LONGEST_PAUSE_SECONDS = 0.02
_NO_CONNECTION = re.compile("connection refused|failed to connect", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)
_TEXT = 120


class Outcome(Enum):
    """What became of a call; only the second is the server's fault."""

    ANSWERED = "answered"
    LOST = "lost"
    """Sent whole before the server's FIN or GOAWAY was there, and not answered."""
    UNDECIDED = "undecided"
    """The connection's end came between the last look before the call was sent and the first one after it."""
    CLOSED = "closed before"
    """The connection's end was there before the call was sent, or came while it was."""
    REFUSED = "refused"
    """There was no connection to be had."""


@dataclass(slots=True)
class Tally:
    """The calls of a client by outcome, and of those that were lost what there was instead of an answer."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)

    def count(self, outcome: Outcome, text: str = "") -> None:
        """One call more."""
        self.outcomes[outcome] += 1
        if outcome is Outcome.LOST:
            self.lost[text[:_TEXT]] += 1


Client = Callable[[Tally], None]
"""Calls until a connection is refused."""


def rest_client(port: int, request: bytes, seed: int, *, kept: bool) -> Client:
    """Sends an HTTP request again and again, on a connection that it keeps or on one for each."""

    def run(tally: Tally) -> None:
        pauses = _pauses(seed)
        while (connection := _connected(port)) is not None:
            with connection:
                while _exchange(connection, request, tally) and kept:
                    next(pauses)
            next(pauses)
        tally.count(Outcome.REFUSED)

    return run


def grpc_client(port: int, payload: bytes, seed: int, *, kept: bool) -> Client:
    """Makes the same Predict call again and again, on a channel that it keeps or on one for each."""

    def run(tally: Tally) -> None:
        pauses = _pauses(seed)
        served = True
        while served:
            # Otherwise all channels of a process share one connection.
            options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))
            with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
                call = channel.unary_unary(_PREDICT)
                while (served := _called(call, payload, tally)) and kept:
                    next(pauses)
            next(pauses)

    return run


def _pauses(seed: int) -> Iterator[None]:
    """Every other client calls without a pause, the others at random."""
    generator, never = random.Random(seed), threading.Event()
    while True:
        if seed % 4 > 1:
            never.wait(generator.random() * _LONGEST_PAUSE_SECONDS)
        yield


def _connected(port: int) -> socket.socket | None:
    with contextlib.suppress(ConnectionError):
        return socket.create_connection(("127.0.0.1", port), CALL_SECONDS)
    return None


def _exchange(connection: socket.socket, request: bytes, tally: Tally) -> bool:
    """One request and what comes of it; whether another may follow on the connection."""
    if _ended(connection):
        tally.count(Outcome.CLOSED)
        return False
    try:
        connection.sendall(request)
    except OSError:
        tally.count(Outcome.CLOSED)
        return False
    if _ended(connection):
        tally.count(Outcome.UNDECIDED)
        return False
    head, failure = _answer(connection)
    if failure:
        tally.count(Outcome.LOST, failure)
        return False
    tally.count(Outcome.ANSWERED)
    return not _CLOSES.search(head)


def _ended(connection: socket.socket) -> bool:
    """Whether the other side's end of the connection is there, and nothing before it."""
    readable, _, _ = select.select([connection], [], [], 0)
    try:
        return bool(readable) and not connection.recv(1, socket.MSG_PEEK)
    except OSError:
        return True


def _answer(connection: socket.socket) -> tuple[bytes, str]:
    """The head of a whole answer, or what there was instead."""
    received = b""
    try:
        while not (whole := _whole(received)):
            part = connection.recv(65536)
            if not part:
                return b"", f"the end after {len(received)} bytes"
            received += part
    except OSError as error:
        return b"", f"{type(error).__name__} after {len(received)} bytes"
    return (whole, "") if whole.startswith(b"HTTP/1.1 200 ") else (b"", received.decode(errors="replace"))


def _whole(received: bytes) -> bytes:
    """The head, once all of the body is there."""
    head, end, body = received.partition(b"\r\n\r\n")
    length = _LENGTH.search(head) if end else None
    return head + b"\r\n" if length and len(body) >= int(length[1]) else b""


def _called(call: Any, payload: bytes, tally: Tally) -> bool:
    """One call; False if there was nobody to call."""
    try:
        call(payload, timeout=CALL_SECONDS)
    except grpc.RpcError as error:
        code, details = error.code(), str(error.details())
        if code is grpc.StatusCode.UNAVAILABLE and _NO_CONNECTION.search(details):
            tally.count(Outcome.REFUSED)
            return False
        # What could not be written was hardly sent whole.
        tally.count(Outcome.UNDECIDED if "sendmsg" in details else Outcome.LOST, f"{code.name} {details}")
        return True
    tally.count(Outcome.ANSWERED)
    return True
