"""What aiohttp's parser refuses and TensorFlow Serving takes, or answers with another status; not the parser itself."""

import re

from aiohttp.http_exceptions import BadHttpMethod, InvalidURLError, LineTooLong

from serving.rest.connection.parser import RefusedError
from serving.rest.target import path_of

_HOST = b"\r\nHost:"
_BLANK_LINE = b"\r\n\r\n"
_HOSTLESS = re.compile(rb"([A-Z]+ [^ \r\n]+ HTTP/1\.1\r\n)(?:(?!host:)[^\r\n]+\r\n)*\r\n", re.IGNORECASE)
"""A whole head without the Host that HTTP/1.1 asks for; TensorFlow Serving takes it, aiohttp's parser does not."""

_REQUEST_LINE = re.compile("b['\"][A-Z]+ (.*) HTTP/")
"""The request line in the message of aiohttp's parser, and in it the target."""


def with_host(data: bytes) -> bytes:
    """``data`` with a Host if it begins with a whole head that has none."""
    if data.find(_HOST, 0, data.find(_BLANK_LINE)) >= 0:  # nearly always
        return data
    hostless = _HOSTLESS.match(data)
    return data[: hostless.end(1)] + b"Host: -\r\n" + data[hostless.end(1) :] if hostless else data


def status_of(error: BaseException | None, status: int) -> int:
    """The status of the page for what could not be parsed, by the error that says why; ``status`` is aiohttp's."""
    if isinstance(error, RefusedError):
        return error.code
    if isinstance(error, BadHttpMethod):
        return 501
    if isinstance(error, LineTooLong):
        return 431
    if isinstance(error, InvalidURLError) and _is_relative(error):
        return 404
    return status


def _is_relative(error: InvalidURLError) -> bool:
    """Whether the target is a URI without a slash in front, such as `*`; aiohttp's parser shows it in its message."""
    line = _REQUEST_LINE.search(error.message)
    path = path_of(line[1] if line else error.message)
    return path is not None and not path.startswith("/")
