"""Requests in flight at the REST door, its open connections, and the wait for their end."""

import asyncio
import contextlib
from typing import Protocol

from serving.host.listening import is_readable

LINGER_SECONDS = 1.0
"""How long a connection waits for its client's end after its own: what a client still sends is read and dropped, for a
socket that is closed with unread bytes is reset, and a reset overtakes the last answer."""


class Connection(Protocol):
    """An open connection, on the lane or on the road."""

    def stop(self) -> None:
        """End it, whatever is under way."""
        ...

    def end_if_idle(self) -> None:
        """End it if it has no request, nor one that has just arrived."""
        ...


class Traffic:
    """Counts requests; belongs to the event loop. ``draining`` makes every answer the last one of its connection."""

    __slots__ = ("_changed", "connections", "draining", "in_flight")

    def __init__(self) -> None:
        self.draining = False
        self.in_flight = 0
        self.connections: set[Connection] = set()
        self._changed = asyncio.Event()

    def began(self) -> None:
        """A request is under way, or an answer has not left the process yet."""
        self.in_flight += 1

    def ended(self) -> None:
        """Once for every ``began``."""
        self.in_flight -= 1

    def left(self, connection: Connection) -> None:
        """A connection is lost, or goes on as another."""
        self.connections.discard(connection)
        if self.draining and not self.connections:
            self._changed.set()

    async def wait_closed(self, seconds: float) -> None:
        """Wait until no connection is open, for ``seconds`` at most."""
        if seconds <= 0:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.connections:
                    self._changed.clear()
                    await self._changed.wait()


def has_arrived(transport: asyncio.BaseTransport) -> bool:
    """Whether the client has sent something that has not been read yet, or has ended its side."""
    socket = transport.get_extra_info("socket")
    descriptor = -1 if socket is None else socket.fileno()
    return descriptor >= 0 and is_readable(descriptor)
