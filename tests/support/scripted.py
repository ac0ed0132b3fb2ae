"""A gRPC server on bare HTTP/2 that does with each call what a script says: refuses it, loses it, answers it."""

import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Self

from tests.support.frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Frame,
    frame,
    framed,
    header,
)

ANSWER, REFUSE, FAREWELL, LOSE, BREAK = "answer", "refuse", "farewell", "lose", "break"
"""Answer with an empty message; RST_STREAM with REFUSED_STREAM; GOAWAY that leaves the stream out; end the connection
without a word; RST_STREAM with INTERNAL_ERROR."""

Step = str | Mapping[str, str]
"""What to do with a call; trailers, as ``{"grpc-status": "8"}``, are an answer of them alone."""

_REFUSED_STREAM, _INTERNAL_ERROR = struct.pack(">I", 7), struct.pack(">I", 2)
_LARGE = struct.pack(">HI", 4, 2**31 - 1)
_SECONDS = 60.0


class ScriptedServer:
    """Takes the steps of a script one call after the other, and the last for all that follow. A context manager."""

    def __init__(self, script: Sequence[Step]) -> None:
        self._script = list(script)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._connections: list[socket.socket] = []
        self.calls = 0
        """How many whole requests have come."""
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listening.getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listening, *self._connections):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                connection.settimeout(_SECONDS)
                self._connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as stream:
            stream.read(len(PREFACE))
            room = frame(WINDOW_UPDATE, payload=struct.pack(">I", 2**30))
            connection.sendall(frame(SETTINGS, payload=_LARGE) + room)
            for each in _frames(stream):
                if each.kind == SETTINGS and not each.flags & ACK:
                    connection.sendall(frame(SETTINGS, ACK))
                elif each.kind == PING and not each.flags & ACK:
                    connection.sendall(frame(PING, ACK, payload=each.payload))
                elif each.kind in (DATA, HEADERS) and each.flags & END_STREAM and not self._take(connection, each):
                    return

    def _take(self, connection: socket.socket, last: Frame) -> bool:
        """Do the next step with a call; False if the connection is over."""
        with self._lock:
            self.calls += 1
            step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if step == LOSE:
            return False
        connection.sendall(_answer(step, last.stream))
        return step != FAREWELL


def _frames(stream: object) -> Iterator[Frame]:
    read = stream.read  # type: ignore[attr-defined]
    while len(head := read(9)) == 9:
        kind, flags, number = struct.unpack(">BBI", head[3:])
        yield Frame(kind, flags, number, read(int.from_bytes(head[:3], "big")))


def _answer(step: Step, stream: int) -> bytes:
    if step == REFUSE:
        return frame(RST_STREAM, 0, stream, _REFUSED_STREAM)
    if step == BREAK:
        return frame(RST_STREAM, 0, stream, _INTERNAL_ERROR)
    if step == FAREWELL:
        return frame(GOAWAY, payload=struct.pack(">II", stream - 2 if stream > 1 else 0, 0))
    begin = header(":status", "200") + header("content-type", "application/grpc")
    if isinstance(step, str):
        sent = frame(HEADERS, END_HEADERS, stream, begin) + frame(DATA, 0, stream, framed(b""))
        return sent + frame(HEADERS, END_HEADERS | END_STREAM, stream, header("grpc-status", "0"))
    trailers = b"".join(header(name, value) for name, value in step.items())
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, begin + trailers)
