"""The REST door: listening, the lane or the road for each connection, draining. Not HTTP, which ``road`` has."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from serving.rest.app import RestApp
from serving.rest.connection.heads import Heads
from serving.rest.connection.lane import Lane
from serving.rest.connection.road import Response, Road
from serving.rest.connection.traffic import Traffic
from serving.telemetry.log import logger

_SMALL_BODY_BYTES = 64 * 1024
"""Of a request on the lane, which holds a body in pieces until all of it is there."""

_LONGEST_LINE = 2**20
_MOST_HEADERS = 1024
_BUFFER_BYTES = 2**18

_BACKLOG = 1024
_KEEPALIVE_SECONDS = 3630.0
_LONGEST_KEEPALIVE_SECONDS = 10 * 365 * 24 * 3600.0
"""Where there is no limit; timers cannot be set as far as a float goes."""

_CLOSE_SECONDS = 0.1
"""How long a handler may take to notice that its connection is closed."""


class _Server(web.Server):
    """Makes connections on the road, and requests whose body may be as large as allowed."""

    def __init__(
        self,
        handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        largest: int,
        keepalive_seconds: float,
    ) -> None:
        super().__init__(handle, request_factory=self._request, handler_cancellation=True)
        self._largest = largest
        self._keepalive_seconds = keepalive_seconds
        self._running = asyncio.get_running_loop()

    def __call__(self) -> Road:
        return Road(
            self,
            loop=self._running,
            access_log=None,  # type: ignore[arg-type] # aiohttp's way to have no access log
            auto_decompress=False,
            keepalive_timeout=self._keepalive_seconds,
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
    """The REST server, HTTPS with ``tls``. ``bind``, ``start``, ``drain``, ``stop`` run in the event loop, in order.

    ``keepalive_seconds`` is how long a connection may be idle between two requests; without a limit if not positive.
    """

    def __init__(
        self,
        app: RestApp,
        port: int,
        max_request_bytes: int,
        tls: ssl.SSLContext | None = None,
        *,
        small_request_lane: bool = True,
        keepalive_seconds: float = _KEEPALIVE_SECONDS,
    ) -> None:
        self._app = app
        self._tls = tls
        self._wanted_port = port
        self._max_request_bytes = max_request_bytes
        limited = 0 < keepalive_seconds < _LONGEST_KEEPALIVE_SECONDS
        self._keepalive_seconds = keepalive_seconds if limited else _LONGEST_KEEPALIVE_SECONDS
        largest = min(max_request_bytes, _SMALL_BODY_BYTES - 1)
        self._heads = Heads(app.small, largest) if small_request_lane else None
        self._traffic = Traffic()
        self._server: _Server | None = None
        self.connection: Callable[[], asyncio.Protocol] | None = None  # makes each, once started
        self._bound: socket.socket | None = None  # until it is the listener's
        self._listener: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The bound port; differs from the wanted one if that was 0."""
        bound = self._listener.sockets[0] if self._listener else self._bound
        return int(bound.getsockname()[1]) if bound else self._wanted_port

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request of any connection on the road."""
        self._traffic.began()
        try:
            answer = await self._app.answer(request)
            response = Response(answer, keep_alive=request.keep_alive and not self._traffic.draining)
            with contextlib.suppress(ConnectionError):  # a client that did not wait for its answer
                await response.prepare(request)  # here, for a drain must wait until the answer has left
            return response
        finally:
            self._traffic.ended()

    def bind(self) -> socket.socket:
        """Take the port, on which connections are refused until ``start``. Raises OSError if it is taken."""
        self._bound = _bound(self._wanted_port)
        return self._bound

    async def start(self) -> None:
        """Listen on IPv6 and IPv4 alike, or on IPv4 where there is no IPv6. Raises OSError if the port is taken."""
        bound = self._bound or self.bind()
        loop = asyncio.get_running_loop()
        self.connection = self._server = _Server(self.handle, self._max_request_bytes, self._keepalive_seconds)
        if self._heads is not None:
            self.connection = partial(
                Lane, loop, self._app, self._heads, self._traffic, self._server, self._keepalive_seconds
            )
        bound.listen(_BACKLOG)  # uvloop's own does not say that another program, which had bound the port, was faster
        self._listener = await loop.create_server(self.connection, sock=bound, backlog=_BACKLOG, ssl=self._tls)
        self._bound = None

    async def drain(self, delay_seconds: float, grace_seconds: float) -> None:
        """Answer what is under way and, for ``delay_seconds``, what comes; then stop listening.

        Gives up after ``grace_seconds``.
        """
        deadline = asyncio.get_running_loop().time() + grace_seconds
        traffic = self._traffic
        traffic.draining = True
        await traffic.wait_idle(min(delay_seconds, grace_seconds))
        if self._listener is not None:
            self._listener.close()
        while traffic.in_flight and (left := deadline - asyncio.get_running_loop().time()) > 0:
            await traffic.wait_idle(left)
        if traffic.in_flight:
            logger.warning(
                "%d REST requests did not finish within --drain_grace_seconds and are dropped", traffic.in_flight
            )

    async def stop(self) -> None:
        """Close every connection, whatever is under way: who wants to wait has drained before."""
        if self._bound is not None:
            self._bound.close()
        for close in list(self._traffic.connections):
            close()
        if self._server is not None:
            self._server.pre_shutdown()
            await self._server.shutdown(timeout=_CLOSE_SECONDS)


def _bound(port: int) -> socket.socket:
    try:
        listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        address: tuple[str, int] = ("::", port)
    except OSError:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        address = ("0.0.0.0", port)  # noqa: S104 - a server's port is for everybody; containers publish it
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # its connections have it, too
    try:
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener
