"""Answers that go on: until they are at their end, their client has gone, or the server drains."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Protocol

TAKE_SECONDS = 30.0
"""How long a client may leave pieces untaken; then it is let go."""

_LAST_CHUNK = b"0\r\n\r\n"


class Streams:
    """Those of one door; belongs to the event loop."""

    def __init__(self) -> None:
        self._open: set[asyncio.Timeout] = set()
        self._ended = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Around one of them: what the block waits for, and the block, end with ``end``."""
        until = asyncio.timeout(None)
        try:
            async with until:
                self._open.add(until)
                if self._ended:
                    _end(until)
                try:
                    yield
                finally:
                    self._open.discard(until)
        except TimeoutError:
            if not until.expired():
                raise

    def end(self) -> None:
        """End all there are, and from now on each that begins."""
        self._ended = True
        for until in self._open:
            _end(until)


class Taker(Protocol):
    """The connection, as a stream sees it."""

    writing_paused: bool
    transport: asyncio.Transport | None

    async def wait_taken(self, size: int) -> None:
        """Wait until the client has taken the ``size`` bytes that it has not; ConnectionError if it has gone."""
        ...


async def write(pieces: AsyncGenerator[bytes, None], to: Taker, streams: Streams, *, chunked: bool) -> None:
    """Send each of ``pieces`` when it is there, and close them in the end. ConnectionError if the client has gone.

    The next piece is not made before the client has taken the one before, but for what the system keeps for it.
    """
    async with aclosing(pieces), streams.open():
        async for piece in pieces:
            transport = _writable(to)
            transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            if to.writing_paused:
                await _taken(to, transport)
    if chunked:
        _writable(to).write(_LAST_CHUNK)


async def _taken(to: Taker, transport: asyncio.Transport) -> None:
    try:
        async with asyncio.timeout(TAKE_SECONDS):
            await to.wait_taken(transport.get_write_buffer_size())
    except TimeoutError:
        transport.abort()
        raise ConnectionResetError from None


def _writable(to: Taker) -> asyncio.Transport:
    transport = to.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError
    return transport


def _end(until: asyncio.Timeout) -> None:
    until.reschedule(asyncio.get_running_loop().time())
