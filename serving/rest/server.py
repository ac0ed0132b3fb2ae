"""The REST door: listening, the lane or the road for each connection, draining. Not HTTP, which ``road`` has."""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, cast

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from serving.core.concurrency import Elsewhere
from serving.host.addresses import everywhere
from serving.host.listening import bind, is_readable, refuse_handshakes
from serving.inference.unsent import UnsentBytes
from serving.rest.app import RestApp
from serving.rest.connection.bounds import Bounds
from serving.rest.connection.heads import Heads
from serving.rest.connection.lane import Lane
from serving.rest.connection.response import Response
from serving.rest.connection.road import Road
from serving.rest.connection.traffic import Traffic
from serving.telemetry.log import logger

_SMALL_BODY_BYTES = 4 * 1024 * 1024
"""Of a request on the lane, which holds a body in pieces until all of it is there, and puts them together in the event
loop: an image's numbers as JSON, not hundreds of them."""

_LONGEST_LINE = 2**20
"""In bytes, where heads are not bounded."""

_MOST_HEADERS = 1024
_BUFFER_BYTES = 2**18

_BACKLOG = 1024

_CLOSE_SECONDS = 0.1
"""How long a handler may take to notice that its connection is closed."""


_HANDSHAKE_SECONDS = 0.05
"""How long handshakes that are under way have to be completed before a draining server stops listening."""

_MOST_TURNS = 1000
"""Of the event loop; then the process has no descriptor left to accept with."""

_LAST_SECONDS = 0.5
"""How long clients of idle connections have to take note of the end, before they are closed."""


_BOUNDS = Bounds()


class _Server(web.Server):
    """Makes connections on the road, and requests whose body may be as large as allowed."""

    def __init__(
        self,
        handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        traffic: Traffic,
        largest: int,
    ) -> None:
        super().__init__(handle, request_factory=self._request, handler_cancellation=True)
        self._traffic = traffic
        self._largest = largest
        self._running = asyncio.get_running_loop()

    def __call__(self) -> Road:
        longest = self._traffic.bounds.max_head_bytes or _LONGEST_LINE
        return Road(
            self,
            self._traffic,
            loop=self._running,
            access_log=None,  # aiohttp's way to have no access log
            auto_decompress=False,
            keepalive_timeout=self._traffic.idle_seconds,
            max_line_size=longest,
            max_field_size=longest,
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

    ``hosts`` are the numeric addresses at which the port is opened, by default all of both families, or of IPv4 where
    there is no IPv6. ``bounds`` is what it bears of a client; ``unsent`` the count of bytes that it shares with others;
    with ``elsewhere`` the bounds hold for all processes at the port.
    """

    def __init__(
        self,
        app: RestApp,
        port: int,
        max_request_bytes: int,
        tls: ssl.SSLContext | None = None,
        *,
        hosts: Sequence[str] = (),
        small_request_lane: bool = True,
        bounds: Bounds = _BOUNDS,
        unsent: UnsentBytes | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._app = app
        self._tls = tls
        self.port = port
        """The bound port, once bound."""
        self._max_request_bytes = max_request_bytes
        largest = min(max_request_bytes, _SMALL_BODY_BYTES - 1)
        self._heads = Heads(app.small, largest, app.lines) if small_request_lane else None
        self._traffic = Traffic(bounds, unsent or UnsentBytes(), app.limited)
        self._traffic.elsewhere = elsewhere
        self._traffic.secured = tls is not None
        self._server: _Server | None = None
        self.connection: Callable[[], asyncio.Protocol] | None = None  # makes each, once started
        self._hosts = tuple(hosts) or everywhere()
        self._bound: list[socket.socket] = []  # until they are the listeners'
        self._listeners: list[asyncio.Server] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request of any connection on the road."""
        self._traffic.began()
        road = cast("Road", request.protocol)
        road.begin(request)
        try:
            answer = await self._app.answer(request)
            response = Response(answer, keep_alive=request.keep_alive and road.goes_on())
            with contextlib.suppress(ConnectionError):  # a client that did not wait for its answer
                await response.prepare(request)  # here, for a drain must wait until the answer has left
            return response
        finally:
            self._traffic.ended()

    def bind(self) -> None:
        """Take the port, on which connections are refused until ``start``. Raises OSError if it is taken."""
        self._bound = bind(self._hosts, self.port)
        self.port = int(self._bound[0].getsockname()[1])

    async def start(self) -> None:
        """Listen. Raises OSError if the port is taken."""
        if not self._bound:
            self.bind()
        loop = asyncio.get_running_loop()
        self.connection = self._server = _Server(self.handle, self._traffic, self._max_request_bytes)
        if self._heads is not None:
            self.connection = partial(Lane, loop, self._app, self._heads, self._traffic, self._server)
        for bound in self._bound:
            bound.listen(_BACKLOG)  # uvloop's own does not say that another program, which had bound it, was faster
        await self._accept(self.connection)

    async def _accept(self, connection: Callable[[], asyncio.Protocol]) -> None:
        """Let the event loop take connections from what is bound, and listens."""
        loop = asyncio.get_running_loop()
        while self._bound:
            listener = self._bound[0]
            made = await loop.create_server(connection, sock=listener, backlog=_BACKLOG, ssl=self._tls)
            self._bound.remove(listener)
            self._listeners.append(made)

    async def renew(self, tls: ssl.SSLContext) -> None:
        """Use ``tls`` for the connections that come from now on; those that are open go on, and none is lost.

        They wait in the socket, which is the same: only what accepts from it is another. Nothing of ``tls`` is put
        into the context in use: that would go on to trust authorities, and sessions, that are no longer trusted.
        """
        self._tls = tls
        if self._traffic.draining or self.connection is None:
            return
        accepting = self._listeners
        descriptors = [each.fileno() for listener in accepting for each in listener.sockets]
        self._bound = [socket.socket(fileno=os.dup(descriptor)) for descriptor in descriptors]
        self._listeners = []
        for listener in accepting:
            listener.close()
        await self._accept(self.connection)

    async def drain(self, delay_seconds: float, grace_seconds: float) -> None:
        """Take what comes for ``delay_seconds``, then stop listening; answer all that was taken.

        Each connection ends behind its next answer, and streams end at once. Shortly before ``grace_seconds`` are over
        those end that have no request.
        """
        loop, traffic = asyncio.get_running_loop(), self._traffic
        deadline = loop.time() + grace_seconds
        traffic.draining = True
        traffic.streams.end()
        await asyncio.sleep(min(delay_seconds, grace_seconds))
        await self._stop_listening(min(_HANDSHAKE_SECONDS, grace_seconds))
        last = min(_LAST_SECONDS, grace_seconds / 4)
        await traffic.wait_closed(deadline - last - loop.time())
        for connection in list(traffic.connections):
            connection.end_if_idle()
        await traffic.wait_closed(deadline - loop.time())
        if traffic.in_flight:
            logger.warning(
                "%d REST requests did not finish within --drain_grace_seconds and are dropped", traffic.in_flight
            )

    async def _stop_listening(self, handshake_seconds: float) -> None:
        """Take every connection that a client has, and no other: one that is reset has lost its request."""
        descriptors = [each.fileno() for listener in self._listeners for each in listener.sockets]
        for descriptor in descriptors:
            refuse_handshakes(descriptor)
        await asyncio.sleep(handshake_seconds)
        for _ in range(_MOST_TURNS):
            if not any(map(is_readable, descriptors)):
                break
            await asyncio.sleep(0)  # the event loop accepts all there are in each turn
        for listener in self._listeners:
            listener.close()

    async def stop(self) -> None:
        """Close every connection, whatever is under way: who wants to wait has drained before."""
        for bound in self._bound:
            bound.close()
        for connection in list(self._traffic.connections):
            connection.stop()
        if self._server is not None:
            self._server.pre_shutdown()
            await self._server.shutdown(timeout=_CLOSE_SECONDS)
