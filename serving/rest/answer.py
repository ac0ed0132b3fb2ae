"""An HTTP response as a value, and its bytes on the wire; knows HTTP framing, not the API."""

import time
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple

JSON = b"application/json"
HTML = b"text/html"
LIBRARY_DEFAULT = b"text/html; charset=ISO-8859-1"
"""The content type that TensorFlow Serving's HTTP library adds when none was set."""

_PHRASES: Mapping[int, str] = {429: "Client Error", 499: "Client Error", 504: "Gateway Time-out"}


class Answer(NamedTuple):
    """Status, body and content type; ``headers`` are complete lines; ``close`` ends the connection after it."""

    status: int
    body: bytes
    content_type: bytes
    headers: bytes = b""
    close: bool = False


def wire(answer: Answer, *, keep_alive: bool, old_protocol: bool, with_body: bool = True) -> bytes:
    """The response's bytes. HTTP/1.0 (``old_protocol``) gets neither Date nor Content-Length and ends by closing."""
    head = _status_line(answer.status, old_protocol) + b"Content-Type: " + answer.content_type + b"\r\n"
    head += answer.headers
    if not old_protocol:
        head += b"Date: " + _date() + b"\r\nContent-Length: " + str(len(answer.body)).encode() + b"\r\n"
    if not keep_alive:
        head += b"Connection: close\r\n"
    elif old_protocol:
        head += b"Connection: keep-alive\r\nContent-Length: " + str(len(answer.body)).encode() + b"\r\n"
    return head + b"\r\n" + answer.body if with_body else head + b"\r\n"


_status_lines: dict[tuple[int, bool], bytes] = {}


def _status_line(status: int, old_protocol: bool) -> bytes:
    line = _status_lines.get((status, old_protocol))
    if line is None:
        phrase = _PHRASES.get(status) or HTTPStatus(status).phrase
        line = f"HTTP/1.{0 if old_protocol else 1} {status} {phrase}\r\n".encode()
        _status_lines[status, old_protocol] = line
    return line


_date_cache: tuple[int, bytes] = (0, b"")


def _date() -> bytes:
    """The Date header's value, made once a second."""
    global _date_cache
    now = int(time.time())
    second, text = _date_cache
    if second != now:
        text = formatdate(now, usegmt=True).encode()
        _date_cache = (now, text)
    return text
