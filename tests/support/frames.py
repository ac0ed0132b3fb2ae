"""HTTP/2 on a bare socket: frames out, frames in, so that a test can break the protocol; it decodes no headers."""

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple, Self

from tests.support.secure import connected

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
CANCEL = struct.pack(">I", 8)
NO_WINDOW = struct.pack(">HI", 4, 0)
"""The setting under which a server may send no data at all."""

PREDICT = "/tensorflow.serving.PredictionService/Predict"


class Frame(NamedTuple):
    """One frame as it came."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """The bytes of a frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def header(name: str, value: str) -> bytes:
    """A header field as a literal that is not indexed and not compressed."""
    return b"\0" + _text(name) + _text(value)


def call_headers(path: str = PREDICT, **others: str) -> bytes:
    """The header block of a gRPC call; underscores in ``others`` stand for hyphens, and the empty text drops one."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
        **{name.replace("_", "-"): value for name, value in others.items()},
    }
    return b"".join(header(name, value) for name, value in fields.items() if value)


def framed(payload: bytes, flag: int = 0) -> bytes:
    """A message as gRPC frames it."""
    return struct.pack(">BI", flag, len(payload)) + payload


def call(stream: int, payload: bytes, **others: str) -> bytes:
    """The frames of a whole unary call with a short message."""
    return frame(HEADERS, END_HEADERS, stream, call_headers(**others)) + frame(DATA, END_STREAM, stream, payload)


class Wire:
    """Bytes to and from a gRPC port, or a UNIX socket. A context manager."""

    def __init__(self, address: int | str) -> None:
        self.socket = connected(address)
        self._buffer = b""

    def raw(self, data: bytes) -> None:
        """Send it all; a connection that the server has closed takes anything."""
        with suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            self.socket.sendall(data)

    def take(self, size: int) -> bytes:
        """So many bytes; none once the connection has ended."""
        while len(self._buffer) < size:
            try:
                data = self.socket.recv(1 << 16)
            except (ConnectionResetError, ssl.SSLEOFError):
                data = b""
            if not data:
                return b""
            self._buffer += data
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


class Http2Connection(Wire):
    """One connection past the preface; it acknowledges no settings."""

    def __init__(self, address: int | str, settings: bytes = b"") -> None:
        super().__init__(address)
        self.send(PREFACE + frame(SETTINGS, payload=settings))

    def send(self, data: bytes) -> None:
        """Send it all; a connection that the server has closed takes anything."""
        self.raw(data)

    def frames(self) -> Iterator[Frame]:
        """What comes, until the connection ends."""
        while head := self.take(9):
            length = int.from_bytes(head[:3], "big")
            kind, flags, stream = struct.unpack(">BBI", head[3:])
            yield Frame(kind, flags, stream, self.take(length))

    def ended(self, stream: int) -> list[Frame]:
        """The frames of one stream up to its end; fewer if the connection ends before."""
        found = []
        for each in self.frames():
            if each.stream == stream:
                found.append(each)
                if each.kind == RST_STREAM or (each.kind in (DATA, HEADERS) and each.flags & END_STREAM):
                    break
        return found

    def answers_ping(self, data: bytes = b"12345678") -> bool:
        """Whether the server still does what every HTTP/2 server does; False if it has closed the connection."""
        self.send(frame(PING, payload=data))
        return any(each.kind == PING and each.flags & ACK and each.payload == data for each in self.frames())

    def reset(self) -> None:
        """End the connection by a reset, as a client does whose machine lost it."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def _text(text: str) -> bytes:
    data = text.encode("latin-1")
    if len(data) < 127:
        return bytes((len(data),)) + data
    rest, length = len(data) - 127, bytearray((127,))
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    length.append(rest)
    return bytes(length) + data
