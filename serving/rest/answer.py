"""An HTTP response as a value, and its bytes on the wire; knows HTTP framing, not the API."""

from collections.abc import AsyncGenerator, Mapping
from email.utils import formatdate
from http import HTTPStatus
from time import time as _time
from typing import NamedTuple

JSON = b"application/json"
HTML = b"text/html"
LIBRARY_DEFAULT = b"text/html; charset=ISO-8859-1"
"""The content type that TensorFlow Serving's HTTP library adds when none was set."""

_LENGTH = b"Content-Length: "
_PHRASES: Mapping[int, str] = {429: "Client Error", 499: "Client Error", 504: "Gateway Time-out"}


class Answer(NamedTuple):
    """Status, body and content type; ``headers`` are complete lines; ``close`` ends the connection after it.

    ``extra`` are lines that only this answer has. ``stream`` gives the body piece by piece, in place of ``body``;
    the connection ends behind it.
    """

    status: int
    body: bytes
    content_type: bytes
    headers: bytes = b""
    close: bool = False
    extra: bytes = b""
    stream: AsyncGenerator[bytes, None] | None = None


def wire(answer: Answer, *, keep_alive: bool, old_protocol: bool = False, with_body: bool = True) -> bytes:
    """The response's bytes. HTTP/1.0 (``old_protocol``) gets neither Date nor Content-Length and ends by closing.

    Of a ``stream`` it is the head; each piece follows as a chunk, but as it is for HTTP/1.0.
    """
    if answer.stream is not None and not old_protocol:
        head = _head(answer.status, answer.content_type, answer.headers).removesuffix(_LENGTH)
        return b"%bTransfer-Encoding: chunked\r\n%bConnection: close\r\n\r\n" % (head, answer.extra)
    if old_protocol:
        head = _old_head(answer, keep_alive=keep_alive)
    else:
        end = b"\r\n\r\n" if keep_alive else b"\r\nConnection: close\r\n\r\n"
        if answer.extra:
            end = b"\r\n" + answer.extra + end[2:]
        head = b"%b%d%b" % (_head(answer.status, answer.content_type, answer.headers), len(answer.body), end)
    return head + answer.body if with_body else head


_ENDS = tuple(b"%d\r\n\r\n" % size for size in range(1024))
"""How the heads of short answers end."""


def kept_alive(body: bytes, content_type: bytes, headers: bytes) -> bytes:
    """What ``wire`` makes of an answer with status 200, if the connection stays open."""
    size, head = len(body), None
    if _heads_second <= _time() < _heads_second + 1:
        head = _heads.get((200, content_type, headers))
    if head is None:
        head = _head(200, content_type, headers)
    return head + (_ENDS[size] if size < 1024 else b"%d\r\n\r\n" % size) + body


_heads: dict[tuple[int, bytes, bytes], bytes] = {}
_heads_second = 0


def _head(status: int, content_type: bytes, headers: bytes) -> bytes:
    """A head up to the value of Content-Length, which comes last; made once a second."""
    global _heads_second
    now = _time()
    if not _heads_second <= now < _heads_second + 1:
        _heads.clear()
        _heads_second = int(now)
    head = _heads.get((status, content_type, headers))
    if head is None:
        date = formatdate(_heads_second, usegmt=True).encode()
        head = _beginning(status, 1, content_type, headers) + b"Date: " + date + b"\r\n" + _LENGTH
        _heads[status, content_type, headers] = head
    return head


def _old_head(answer: Answer, *, keep_alive: bool) -> bytes:
    headers = answer.headers + answer.extra if answer.extra else answer.headers
    head = _beginning(answer.status, 0, answer.content_type, headers)
    if keep_alive:
        return head + b"Connection: keep-alive\r\nContent-Length: %d\r\n\r\n" % len(answer.body)
    return head + b"Connection: close\r\n\r\n"


def _beginning(status: int, minor_version: int, content_type: bytes, headers: bytes) -> bytes:
    phrase = _PHRASES.get(status) or HTTPStatus(status).phrase
    return f"HTTP/1.{minor_version} {status} {phrase}\r\nContent-Type: ".encode() + content_type + b"\r\n" + headers
