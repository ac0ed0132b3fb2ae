"""Requests in flight at the REST door, the wait for their end, and the connections of the lane."""

import asyncio
import contextlib
from collections.abc import Callable


class Traffic:
    """Counts requests; belongs to the event loop. ``draining`` makes every answer the last one of its connection.

    ``connections`` has what closes each connection of the lane; aiohttp's server has those of the road.
    """

    __slots__ = ("_idle", "connections", "draining", "in_flight")

    def __init__(self) -> None:
        self.draining = False
        self.in_flight = 0
        self.connections: set[Callable[[], None]] = set()
        self._idle = asyncio.Event()

    def began(self) -> None:
        """A request is under way, or an answer has not left the process yet."""
        self.in_flight += 1

    def ended(self) -> None:
        """Once for every ``began``."""
        self.in_flight -= 1
        if not self.in_flight and self.draining:
            self._idle.set()

    async def wait_idle(self, seconds: float) -> None:
        """Wait until the last request in flight ends, or for ``seconds``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                idle = False
                while not idle:
                    self._idle.clear()
                    await self._idle.wait()
                    idle = not self.in_flight  # what ended may have given way to another at once
