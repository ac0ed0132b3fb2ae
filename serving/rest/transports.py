"""HTTP itself: aiohttp's low-level server under the app, the bytes of answers, listening and draining."""

import asyncio
import contextlib
import re
import socket
import ssl
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod, InvalidURLError
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from serving.rest import errors, routes
from serving.rest.answer import Answer, wire
from serving.rest.app import RestApp
from serving.telemetry.log import logger

_LONGEST_LINE = 2**20
_MOST_HEADERS = 1024
_BUFFER_BYTES = 2**18
_HTTP_1_1 = (1, 1)

_HOSTLESS = re.compile(rb"([A-Z]+ [^ \r\n]+ HTTP/1\.1\r\n)(?:(?!host:)[^\r\n]+\r\n)*\r\n", re.IGNORECASE)
"""A whole head without the Host that HTTP/1.1 asks for; TensorFlow Serving takes it, aiohttp's parser does not."""

_REQUEST_LINE = re.compile("b['\"][A-Z]+ (.*) HTTP/")
"""The request line in the message of aiohttp's parser, and in it the target."""

_CLOSE_SECONDS = 0.1
"""How long a handler may take to notice that its connection is closed."""

_LAME_DUCK_SECONDS = 0.3
"""How long a draining server still accepts connections that were on their way to it."""


class _Response(web.StreamResponse):
    """An ``Answer`` as aiohttp wants to see it; written as our own bytes, not as aiohttp's headers."""

    def __init__(self, answer: Answer, *, keep_alive: bool, unparsed: bool = False) -> None:
        self._answer = answer
        self._unparsed = unparsed  # then the request stands for one whose version is not known
        self._keep_open = keep_alive and not answer.close
        self._sent = False

    @property
    def keep_alive(self) -> bool:
        return self._keep_open

    async def prepare(self, request: web.BaseRequest) -> Any:
        """Write it, the first time; returns once the system has all of it."""
        if self._sent:
            return
        self._sent = True
        data = wire(
            self._answer,
            keep_alive=self._keep_open,
            old_protocol=request.version < _HTTP_1_1 and not self._unparsed,
            with_body=request.method != "HEAD",
        )
        await request.writer.write(data)
        await request.writer.drain()

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to write."""


class _Protocol(RequestHandler):
    """aiohttp's protocol, but requests it cannot parse get TensorFlow Serving's page, and Host may be missing."""

    __slots__ = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # Writing is over when nothing is left in the process, which may be about to end.
        cast("asyncio.Transport", transport).set_write_buffer_limits(0)

    def data_received(self, data: bytes) -> None:
        hostless = _HOSTLESS.match(data)
        if hostless and not self._messages and self._current_request is None:
            data = data[: hostless.end(1)] + b"Host: -\r\n" + data[hostless.end(1) :]
        super().data_received(data)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if isinstance(exc, BadHttpMethod):
            status = 501
        elif isinstance(exc, InvalidURLError) and _is_relative(exc):
            status = 404
        return _Response(errors.page(status), keep_alive=False, unparsed=True)


def _is_relative(error: InvalidURLError) -> bool:
    """Whether the target is a URI without a slash in front, such as `*`; aiohttp's parser shows it in its message."""
    line = _REQUEST_LINE.search(error.message)
    path = routes.path_of(line[1] if line else error.message)
    return path is not None and not path.startswith("/")


class _Server(web.Server):
    """Makes ``_Protocol`` connections, and requests whose body may be as large as the app allows."""

    def __init__(self, door: "RestDoor", max_request_bytes: int) -> None:
        super().__init__(door.handle, request_factory=self._request, handler_cancellation=True)
        self._largest = max_request_bytes
        self._running = asyncio.get_running_loop()

    def __call__(self) -> RequestHandler:
        return _Protocol(
            self,
            loop=self._running,
            access_log=None,  # type: ignore[arg-type]  # None is aiohttp's way to have no access log
            auto_decompress=False,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
            max_headers=_MOST_HEADERS,
            read_bufsize=_BUFFER_BYTES,
        )

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: Any,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        return web.BaseRequest(message, payload, protocol, writer, task, self._running, client_max_size=self._largest)


class RestDoor:
    """The listening REST server, HTTPS with ``tls``. ``start``, ``drain``, ``stop`` run in the event loop, in order."""

    def __init__(self, app: RestApp, port: int, max_request_bytes: int, tls: ssl.SSLContext | None = None) -> None:
        self._app = app
        self._tls = tls
        self._wanted_port = port
        self._max_request_bytes = max_request_bytes
        self._draining = False
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._server: _Server | None = None
        self._listener: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The bound port; differs from the wanted one if that was 0."""
        return int(self._listener.sockets[0].getsockname()[1]) if self._listener else self._wanted_port

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request of any connection."""
        self._in_flight += 1
        try:
            answer = await self._app.answer(request)
            response = _Response(answer, keep_alive=request.keep_alive and not self._draining)
            with contextlib.suppress(ConnectionError):  # a client that did not wait for its answer
                await response.prepare(request)  # here, for a drain must wait until the answer has left
            return response
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def start(self) -> None:
        """Listen on IPv6 and IPv4 alike, or on IPv4 where there is no IPv6. Raises OSError if the port is taken."""
        self._server = _Server(self, self._max_request_bytes)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            self._server, sock=_listen(self._wanted_port), backlog=1024, ssl=self._tls
        )

    async def drain(self, grace_seconds: float) -> None:
        """Answer what is on its way and under way, then stop listening; give up after ``grace_seconds``."""
        deadline = asyncio.get_running_loop().time() + grace_seconds
        self._draining = True
        await self._wait_idle(min(_LAME_DUCK_SECONDS, grace_seconds))
        if self._listener is not None:
            self._listener.close()
        while self._in_flight and (left := deadline - asyncio.get_running_loop().time()) > 0:
            await self._wait_idle(left)
        if self._in_flight:
            logger.warning(
                "%d REST requests did not finish within --drain_grace_seconds and are dropped", self._in_flight
            )

    async def _wait_idle(self, seconds: float) -> None:
        """Wait until nothing is in flight, or for ``seconds``."""
        self._idle.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)

    async def stop(self) -> None:
        """Close every connection, whatever is under way: who wants to wait has drained before."""
        if self._server is not None:
            self._server.pre_shutdown()
            await self._server.shutdown(timeout=_CLOSE_SECONDS)


def _listen(port: int) -> socket.socket:
    try:
        listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        address: tuple[str, int] = ("::", port)
    except OSError:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        address = ("0.0.0.0", port)  # noqa: S104 - a server's port is for everybody; containers publish it
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener
