"""One connection on aiohttp's road, which takes every request that HTTP allows; the lane is in front of it.

It needs private attributes of aiohttp's that have no public twin, so pyproject.toml caps aiohttp's minor version:
``_current_request`` and ``_messages`` tell that bytes begin a request, ``_reading_paused`` and ``_buffer_paused`` that
reading is paused; ``_keepalive_handle``, ``_next_keepalive_close_time`` and ``_process_keepalive`` are its timer, which
goes on where the lane's was; ``_loop`` runs it.
"""

import asyncio
import re
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod, InvalidURLError
from aiohttp.web_protocol import RequestHandler

from serving.rest import errors
from serving.rest.answer import Answer, wire
from serving.rest.target import path_of

_HTTP_1_1 = (1, 1)

_HOST = b"\r\nHost:"
_BLANK_LINE = b"\r\n\r\n"
_HOSTLESS = re.compile(rb"([A-Z]+ [^ \r\n]+ HTTP/1\.1\r\n)(?:(?!host:)[^\r\n]+\r\n)*\r\n", re.IGNORECASE)
"""A whole head without the Host that HTTP/1.1 asks for; TensorFlow Serving takes it, aiohttp's parser does not."""

_REQUEST_LINE = re.compile("b['\"][A-Z]+ (.*) HTTP/")
"""The request line in the message of aiohttp's parser, and in it the target."""


_LARGE = 2**16
_GONE = Answer(0, b"", b"")


class Response(web.StreamResponse):
    """An ``Answer`` as aiohttp wants to see it; written as our own bytes, not as aiohttp's headers."""

    def __init__(self, answer: Answer, *, keep_alive: bool, unparsed: bool = False) -> None:
        self._answer = answer
        self._unparsed = unparsed  # then the request stands for one whose version is not known
        self._keep_open = keep_alive and not answer.close
        self._sent = False

    @property
    def keep_alive(self) -> bool:
        """Whether the connection stays open after this."""
        return self._keep_open

    async def prepare(self, request: web.BaseRequest) -> Any:
        """Write it, the first time; returns once the system has all of it. ConnectionError if the client has gone."""
        if self._sent:
            return
        self._sent = True
        answer, self._answer = self._answer, _GONE  # aiohttp keeps this longer than a large body may be kept
        data = wire(
            answer,
            keep_alive=self._keep_open,
            old_protocol=request.version < _HTTP_1_1 and not self._unparsed,
            with_body=request.method != "HEAD" and len(answer.body) <= _LARGE,
        )
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        transport.write(data)
        if request.method != "HEAD" and len(answer.body) > _LARGE:
            transport.write(answer.body)  # by itself: it is not copied
        del answer
        if request.protocol.writing_paused:
            await request.writer.drain()

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to write."""


class Road(RequestHandler):
    """aiohttp's protocol, but requests it cannot parse get TensorFlow Serving's page, and Host may be missing."""

    __slots__ = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to read."""
        super().connection_made(transport)
        report_unsent(cast("asyncio.Transport", transport))

    def take_over(self, transport: asyncio.Transport, data: bytes, expires_at: float) -> None:
        """Go on with a connection of the lane, which begins with ``data`` here and may be idle until ``expires_at``."""
        transport.set_protocol(self)
        self.connection_made(transport)
        self.keep_alive(val=True)  # stops the timer
        self._next_keepalive_close_time = expires_at
        self._keepalive_handle = self._loop.call_at(expires_at, self._process_keepalive)
        self.data_received(data)

    def data_received(self, data: bytes) -> None:
        """Some bytes of the client."""
        if self._current_request is None and not self._messages:
            data = _with_host(data)
        super().data_received(data)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Read on; aiohttp's streams call this for every piece of a body, though reading was not paused."""
        if self._reading_paused or self._buffer_paused:
            super().resume_reading(resume_parser)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what could not be parsed; ``exc`` says why."""
        if isinstance(exc, BadHttpMethod):
            status = 501
        elif isinstance(exc, InvalidURLError) and _is_relative(exc):
            status = 404
        return Response(errors.page(status), keep_alive=False, unparsed=True)


def report_unsent(transport: asyncio.Transport) -> None:
    """Make ``transport`` say that writing is paused while anything is left in the process, which may be about to end.

    Under TLS a limit of 0 would be reached by 0 bytes, and writing be paused or not by chance.
    """
    transport.set_write_buffer_limits(0 if transport.get_extra_info("sslcontext") is None else 1)


def peer_of(transport: asyncio.BaseTransport) -> str:
    """The client's IP address, IPv4 as such though the listener is IPv6; empty if it has none or is gone."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]).removeprefix("::ffff:") if isinstance(peer, tuple) else ""


def _with_host(data: bytes) -> bytes:
    """``data`` with a Host if it begins with a whole head that has none."""
    if data.find(_HOST, 0, data.find(_BLANK_LINE)) >= 0:  # nearly always
        return data
    hostless = _HOSTLESS.match(data)
    return data[: hostless.end(1)] + b"Host: -\r\n" + data[hostless.end(1) :] if hostless else data


def _is_relative(error: InvalidURLError) -> bool:
    """Whether the target is a URI without a slash in front, such as `*`; aiohttp's parser shows it in its message."""
    line = _REQUEST_LINE.search(error.message)
    path = path_of(line[1] if line else error.message)
    return path is not None and not path.startswith("/")
