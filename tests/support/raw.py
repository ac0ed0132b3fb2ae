"""HTTP on a bare socket: bytes out, responses parsed one at a time, so that framing itself can be tested."""

import json
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from tests.support.server_process import START_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response as it came; header names are in lower case."""

    version: str
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


def request(
    method: str, target: str, body: bytes | None = None, *headers: str, version: str = "HTTP/1.1", host: bool = True
) -> bytes:
    """A request's bytes, with Content-Length if there is a body; ``headers`` are complete lines."""
    lines = [f"{method} {target} {version}", *(["Host: localhost"] if host else []), *headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


class RawConnection:
    """One TCP connection to the REST port. A context manager."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), START_SECONDS)
        self._buffer = b""

    def send(self, *data: bytes) -> None:
        """Each piece with a segment of its own, as far as the system lets us."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in data:
            self.socket.sendall(piece)

    def response(self, *, with_body: bool = True) -> Response:
        """The next response, which may have arrived together with others. EOFError if the connection ends before."""
        while b"\r\n\r\n" not in self._buffer:
            self._receive()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        version, status, _ = first.split(" ", 2)
        body = b""
        if with_body and int(status) >= 200:
            body = self._sized(int(headers["content-length"])) if "content-length" in headers else self.rest()
        return Response(version=version, status=int(status), headers=headers, body=body)

    def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        try:
            while True:
                self._receive()
        except EOFError:
            data, self._buffer = self._buffer, b""
            return data

    def _sized(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._receive()
        body, self._buffer = self._buffer[:size], self._buffer[size:]
        return body

    def _receive(self) -> None:
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            raise EOFError(f"the connection ended after {self._buffer!r}")
        self._buffer += data

    def __enter__(self) -> "RawConnection":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()
