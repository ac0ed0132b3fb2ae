"""An answer on aiohttp's road: written as our own bytes, within what may be unsent, and with the end that it brings."""

from http import HTTPStatus
from typing import Any, Protocol, cast

from aiohttp import web

from serving.inference.unsent import LARGE_BYTES
from serving.rest.answer import Answer, wire
from serving.rest.connection import streaming

_HTTP_1_1 = (1, 1)
_GONE = Answer(0, b"", b"")


class Writer(streaming.Taker, Protocol):
    """The connection, as an answer sees it."""

    @property
    def streams(self) -> streaming.Streams:
        """Those of its door."""
        ...

    def bounded(self, answer: Answer) -> Answer:
        """An answer, or an error in place of a large one."""
        ...

    def rest_of(self, data: bytes) -> bytes:
        """What is still to be written of an answer."""
        ...

    def has_ended(self) -> bool:
        """Whether the client has said all, and nothing of that is left to be answered."""
        ...

    def linger(self) -> None:
        """End this side, and wait for the client to do so."""
        ...


class Response(web.StreamResponse):
    """An ``Answer`` as aiohttp wants to see it; written as our own bytes, not as aiohttp's headers."""

    def __init__(self, answer: Answer, *, keep_alive: bool, unparsed: bool = False) -> None:
        self._answer = answer
        self._unparsed = unparsed  # then the request stands for one whose version is not known
        self._keep_open = keep_alive and not answer.close and answer.stream is None
        self._sent = False
        self._road: Writer | None = None

    @property
    def keep_alive(self) -> bool:
        """Whether the connection stays open after this, which aiohttp asks when it is written."""
        return self._keep_open and not (self._road is not None and self._road.has_ended())

    async def prepare(self, request: web.BaseRequest) -> Any:
        """Write it, the first time; returns once the system has all of it. ConnectionError if the client has gone.

        Of a stream all pieces there will ever be.
        """
        if self._sent:
            return
        self._sent = True
        self._road = road = cast("Writer", request.protocol)
        answer, self._answer = self._answer, _GONE  # aiohttp keeps this longer than a large body may be kept
        answer = road.bounded(answer)
        with_body = request.method != "HEAD" and answer.status != HTTPStatus.NOT_MODIFIED
        old_protocol = request.version < _HTTP_1_1 and not self._unparsed
        data = wire(
            answer,
            keep_alive=self._keep_open,
            old_protocol=old_protocol,
            with_body=with_body and len(answer.body) <= LARGE_BYTES,
        )
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        transport.write(road.rest_of(data))
        if with_body and len(answer.body) > LARGE_BYTES:
            transport.write(answer.body)  # by itself: it is not copied
        if with_body and answer.stream is not None:
            await streaming.write(answer.stream, road, road.streams, chunked=not old_protocol)
        del answer
        if road.writing_paused:
            await road.wait_taken(transport.get_write_buffer_size())
        if not self._keep_open and (request.keep_alive or self._unparsed):
            road.linger()  # the client does not expect the end

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to write."""
