"""One connection on aiohttp's road, which takes every request that HTTP allows; the lane is in front of it.

It needs private attributes of aiohttp's that have no public twin, so pyproject.toml caps aiohttp's minor version:
``_current_request`` and ``_messages`` tell that bytes begin a request, ``_reading_paused`` and ``_buffer_paused`` that
reading is paused; ``_keepalive_handle``, ``_next_keepalive_close_time`` and ``_process_keepalive`` are its timer, which
goes on where the lane's was; ``_loop`` runs it.
"""

import asyncio
from typing import Any, cast

from aiohttp import web
from aiohttp.http_parser import HttpRequestParser
from aiohttp.web_protocol import RequestHandler

from serving.rest import errors
from serving.rest.answer import Answer, wire
from serving.rest.connection.bounds import Bounds
from serving.rest.connection.half_closed import HalfClosed, can_be_half_closed
from serving.rest.connection.parser import BoundedParser, RefusedError
from serving.rest.connection.response import Response
from serving.rest.connection.streaming import Streams
from serving.rest.connection.traffic import LINGER_SECONDS, MOST_DROPPED, Traffic, has_arrived
from serving.rest.connection.transport import peer_of, report_unsent
from serving.rest.connection.unparsed import status_of, with_host


class Road(RequestHandler):
    """aiohttp's protocol, but requests it cannot parse get TensorFlow Serving's page, and Host may be missing."""

    __slots__ = ("_bounded", "_dropped", "_ended", "_half_closed", "_lingering", "_part", "_traffic")

    def __init__(self, manager: web.Server, traffic: Traffic, **options: Any) -> None:
        super().__init__(manager, **options)
        self._bounded = BoundedParser(cast("HttpRequestParser", self._parser), traffic.bounds.max_head_bytes)
        self._parser = cast("HttpRequestParser", self._bounded)
        self._dropped = 0  # bytes behind the last answer
        self._part = 0  # of a request, whose rest is awaited
        self._traffic = traffic
        self._ended = False  # the client has said all
        self._half_closed: HalfClosed | None = None
        self._lingering: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to read."""
        super().connection_made(transport)
        report_unsent(cast("asyncio.Transport", transport))
        traffic = self._traffic
        if self in traffic.connections:  # the lane had it
            return
        if not traffic.takes(self, peer_of(transport) if traffic.bounds.max_connections_per_peer else ""):
            self._refuse(429)
        elif self._has_head_time() and self._keepalive_handle is not None:
            self._keepalive_handle.cancel()
            self._next_keepalive_close_time = self._loop.time() + traffic.begin_seconds
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)

    def _has_head_time(self) -> bool:
        """Whether heads have a time of their own, less than that of idle connections."""
        return self._traffic.begin_seconds < self._traffic.idle_seconds

    def _process_keepalive(self) -> None:
        """End the connection if nothing has come for too long; a request that has begun has times of its own."""
        if self._part and self._has_head_time():
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        super()._process_keepalive()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give up what is awaited: nobody is there to take it."""
        super().connection_lost(exc)
        self._lingering = None
        self._traffic.left(self)
        if self._half_closed is not None:
            self._half_closed.cancel()

    def eof_received(self) -> bool:  # type: ignore[override] # aiohttp gives nothing, which ends the connection
        """The client has said all; whether the connection stays open, for its answers."""
        transport = self.transport
        if self._ended or transport is None or not can_be_half_closed(transport) or not self._owes():
            return self._ended
        self._ended = True
        if self._current_request is not None:
            self._watch(transport)
        return True

    def _owes(self) -> bool:
        """Whether there are requests to be answered of which nothing is missing."""
        current = self._current_request
        if current is not None:
            return current.content.is_eof()
        # Without a waiter one has been taken from the queue and not begun, and ``begin`` sees whether it is whole; or
        # there was none yet, and aiohttp's task has not come to wait.
        return self._has_whole_request() or (self._waiter is None and self._request_count > 0)

    def begin(self, request: web.BaseRequest) -> None:
        """A request is going to be answered; of one that is cut off the rest will never come."""
        transport = self.transport
        if self._ended and transport is not None:
            if request.content.is_eof():
                self._watch(transport)
            else:
                transport.close()

    def _watch(self, transport: asyncio.Transport) -> None:
        """Notice if the client has gone; not if it already has the beginning of an answer, of which more is unsent."""
        if not transport.get_write_buffer_size() and not transport.is_closing():
            self._half_closed = HalfClosed(self._loop, transport)

    def _has_whole_request(self) -> bool:
        return any(payload.is_eof() for _, payload in self._messages)

    def has_ended(self) -> bool:
        """Whether the client has said all, and nothing of that is left to be answered."""
        return self._ended and not self._has_whole_request()

    def goes_on(self) -> bool:
        """Whether the connection may stay open behind the request that is being answered."""
        if self._ended:
            return self._has_whole_request()
        return (
            not self._traffic.draining
            or bool(self._messages)
            or (self.transport is not None and has_arrived(self.transport))
        )

    @property
    def streams(self) -> Streams:
        """Those of its door."""
        return self._traffic.streams

    def bounded(self, answer: Answer) -> Answer:
        """An answer, or an error in place of a large one."""
        return self._traffic.refusal(len(answer.body)) or answer

    async def wait_taken(self, size: int) -> None:
        """Wait until the client has taken the ``size`` bytes that it has not; ConnectionError if it has gone."""
        self._traffic.unsent.count(size)
        try:
            await self._drain_helper()
        finally:
            self._traffic.unsent.remove(size)

    def rest_of(self, data: bytes) -> bytes:
        """What is still to be written of an answer."""
        return data if self._half_closed is None else self._half_closed.rest_of(data)

    def linger(self) -> None:
        """End this side, and wait for the client to do so."""
        transport = self.transport
        if (
            self._ended
            or transport is None
            or transport.is_closing()
            or not transport.can_write_eof()
            or self._is_fed()
        ):
            return  # aiohttp closes it; what is left of a body it reads before
        self._close = True
        self.transport = None  # aiohttp would close it
        self._lingering = transport
        transport.write_eof()
        self._loop.call_later(LINGER_SECONDS, transport.close)

    def _is_fed(self) -> bool:
        """Whether the body of the request that is being answered has not come to its end."""
        return self._current_request is not None and not self._current_request.content.is_eof()

    def stop(self) -> None:
        """End it if nothing is under way; aiohttp's server ends the others."""
        if self._lingering is not None:
            self._lingering.close()

    def end_if_idle(self) -> None:
        """End it if it has no request, nor one that has just arrived."""
        idle = self._waiter is not None and not self._waiter.done() and not self._messages
        if idle and self.transport is not None and not has_arrived(self.transport):
            self._end()

    def take_over(self, transport: asyncio.Transport, data: bytes, expires_at: float, *, ended: bool) -> None:
        """Go on with a connection of the lane, which begins with ``data`` here and may be idle until ``expires_at``.

        ``ended`` tells that nothing will come any more.
        """
        transport.set_protocol(self)
        self.connection_made(transport)
        self.keep_alive(val=True)  # stops the timer
        self._next_keepalive_close_time = expires_at
        self._keepalive_handle = self._loop.call_at(expires_at, self._process_keepalive)
        self.data_received(data)
        if ended and not self.eof_received():
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Some bytes of the client."""
        if self._lingering is not None:
            self._dropped += len(data)
            if self._dropped > MOST_DROPPED:
                self._lingering.abort()
            return
        if self._current_request is None and not self._messages:
            data = with_host(data)
        super().data_received(data)
        self._note_part()

    def _note_part(self) -> None:
        """Let the rest of a head or of a body be awaited, or no longer."""
        bounded = self._bounded
        part = bounded.part if bounded.gathering else 0
        if part != self._part:
            self._part = part
            if part:
                self._traffic.gathers(self)
            else:
                self._traffic.has_gathered(self)

    def is_late(self, seconds: float, bounds: Bounds) -> bool:
        """Whether the request that it gathers should have come to its end; ``seconds`` ago the part of it began."""
        if self._bounded.in_head:
            return seconds > bounds.head_seconds()
        return seconds > bounds.body_seconds(self._bounded.received)

    def time_out(self) -> None:
        """Say so, and end it."""
        self._refuse(408)

    def _refuse(self, status: int) -> None:
        """Answer with a page, unless an answer is under way, and end the connection."""
        transport = self.transport
        if transport is None:
            return
        current = self._current_request
        if not self._messages and (current is None or not current.content.is_eof()):
            transport.write(wire(errors.page(status), keep_alive=False))
        if current is None:
            self._end()
        else:
            self.force_close()

    def _end(self) -> None:
        """End a connection that owes nothing, which aiohttp does not."""
        self.linger()
        if self.transport is not None:  # it cannot linger
            self.force_close()

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log a defect; a body that is refused while aiohttp reads it to its end is none."""
        if not isinstance(kw.get("exc_info"), RefusedError):
            super().log_exception(*args, **kw)

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
        return Response(errors.page(status_of(exc, status)), keep_alive=False, unparsed=True)
