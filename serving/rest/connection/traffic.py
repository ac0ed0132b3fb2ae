"""Requests in flight at the REST door, its open connections, and the wait for their end."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from serving.core.concurrency import Elsewhere
from serving.errors import ServingError
from serving.host.listening import is_readable
from serving.inference.unsent import LARGE_BYTES, UnsentBytes
from serving.rest import errors
from serving.rest.answer import Answer
from serving.rest.connection.bounds import Bounds
from serving.rest.connection.streaming import Streams

LINGER_SECONDS = 1.0
"""How long a connection waits for its client's end after its own: what a client still sends is read and dropped, for a
socket that is closed with unread bytes is reset, and a reset overtakes the last answer."""


CONNECTIONS = "connections"
"""What they are counted by, together with those of other processes."""

MOST_DROPPED = 2**20
"""How many bytes of a client are read and dropped so."""

_LOOK_SECONDS = 1.0
"""Between two looks at the requests that are awaited."""


class Connection(Protocol):
    """An open connection, on the lane or on the road."""

    def stop(self) -> None:
        """End it, whatever is under way."""
        ...

    def is_late(self, seconds: float, bounds: Bounds) -> bool:
        """Whether the request that it gathers should have come to its end; ``seconds`` ago the part of it began."""
        ...

    def time_out(self) -> None:
        """Say so, and end it."""
        ...

    def end_if_idle(self) -> None:
        """End it if it has no request, nor one that has just arrived."""
        ...


class Traffic:
    """Counts requests; belongs to the event loop. ``draining`` makes every answer the last one of its connection."""

    __slots__ = (
        "_bounded",
        "_changed",
        "_counted",
        "_gathering",
        "_limited",
        "_peers",
        "begin_seconds",
        "bounds",
        "connections",
        "draining",
        "elsewhere",
        "idle_seconds",
        "in_flight",
        "secured",
        "streams",
        "unsent",
    )

    def __init__(self, bounds: Bounds, unsent: UnsentBytes, limited: Callable[[str], None] = lambda _: None) -> None:
        self.bounds = bounds
        self._limited = limited
        self.elsewhere: Elsewhere | None = None
        """Other processes at the same port, for whose connections the same bounds hold."""
        self._bounded = bool(bounds.max_connections or bounds.max_connections_per_peer)
        self.idle_seconds = bounds.idle_seconds()
        self.begin_seconds = min(self.idle_seconds, bounds.head_seconds())
        """How long a new connection may send nothing."""
        self.unsent = unsent
        self._gathering: dict[Connection, float] = {}
        self._counted: dict[Connection, str] = {}
        self._peers: Counter[str] = Counter()
        self.secured = False
        """Whether connections are TLS, so that clients may show certificates."""
        self.draining = False
        self.streams = Streams()
        self.in_flight = 0
        self.connections: set[Connection] = set()
        self._changed = asyncio.Event()

    def began(self) -> None:
        """A request is under way, or an answer has not left the process yet."""
        self.in_flight += 1

    def ended(self) -> None:
        """Once for every ``began``."""
        self.in_flight -= 1

    def refusal(self, size: int) -> Answer | None:
        """What takes the place of an answer of so many bytes, if it is large and clients leave too many untaken."""
        if size <= LARGE_BYTES:
            return None
        try:
            self.unsent.check(size)
        except ServingError as error:
            return errors.answer(error)
        return None

    def gathers(self, connection: Connection) -> None:
        """A part of a request is there, and the rest is awaited from now on."""
        loop = asyncio.get_running_loop()
        if not self._gathering:
            loop.call_later(_LOOK_SECONDS, self._look)
        self._gathering[connection] = loop.time()

    def has_gathered(self, connection: Connection) -> None:
        """The rest has come."""
        self._gathering.pop(connection, None)

    def _look(self) -> None:
        """Let go of clients that are too slow."""
        loop = asyncio.get_running_loop()
        for connection, began in list(self._gathering.items()):
            if connection.is_late(loop.time() - began, self.bounds):
                del self._gathering[connection]
                connection.time_out()
        if self._gathering:
            loop.call_later(_LOOK_SECONDS, self._look)

    def takes(self, connection: Connection, peer: str) -> bool:
        """Count a new connection, unless there are as many as may be, in all or of its peer."""
        self.connections.add(connection)
        if not self._bounded:
            return True
        most = self.bounds.max_connections
        self._tell("")
        if most and len(self.connections) + self._of_others("") > most:
            self._limited("rest_api_max_connections")
            return False
        most = self.bounds.max_connections_per_peer
        if most:
            if self._peers[peer] + self._of_others(peer) >= most:
                self._limited("rest_api_max_connections_per_peer")
                return False
            self._peers[peer] += 1
            self._counted[connection] = peer
            self._tell(peer)
        return True

    def _of_others(self, peer: str) -> int:
        return 0 if self.elsewhere is None else self.elsewhere.of_others(CONNECTIONS, peer)

    def _tell(self, peer: str) -> None:
        """Let other processes know how many connections there are here, of ``peer`` or in all."""
        if self.elsewhere is not None:
            self.elsewhere.put(CONNECTIONS, peer, self._peers[peer] if peer else len(self.connections))

    def passes(self, before: Connection, after: Connection) -> None:
        """A connection goes on as another."""
        self.connections.add(after)
        if before in self._counted:
            self._counted[after] = self._counted.pop(before)
        self.left(before)

    def left(self, connection: Connection) -> None:
        """A connection is lost."""
        self.connections.discard(connection)
        self._gathering.pop(connection, None)
        peer = self._counted.pop(connection, None)
        if peer is not None:
            self._peers[peer] -= 1
            self._tell(peer)
            if not self._peers[peer]:
                del self._peers[peer]
        if self._bounded:
            self._tell("")
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
