"""The drain of a gRPC server: clients are told to go elsewhere, and whatever they have sent by then is answered.

The same for both transports, which say what they can do by ``Drained`` (docs/adr/0023-draining-grpc.md).
"""

import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from serving.rpc.transports.goaway import GoAway
from serving.rpc.transports.sockets import ServerSockets

_LOOK_AGAIN_SECONDS = 0.01
_HOLD_SECONDS = 0.25
"""How long answers are held back at most so that connections come to rest; one that nobody reads never does."""

_HANDSHAKE_SECONDS = 0.05
"""For clients whose handshake was under way when the server began none any more. Others wait a second if they try just
then, for their system tries again before it sees that the port is closed."""

_DRY_SECONDS = 1.0
_QUIET_SECONDS = 0.5
"""Without calls, and without a byte on any connection, after which nothing more is expected of clients that were told
and stay connected. Most close their connections once they have their answers, and who still reads them must be able to
say so: a close in between would break its connection."""

_PATIENCE_SECONDS = 2.0
"""After that a moment without calls is enough: who has been told and goes on calling must not keep the server."""


class Drained(Protocol):
    """A server that drains."""

    def hold(self) -> None:
        """Keep answers back from now on; calls are taken and carried out as ever."""
        ...

    def release(self) -> None:
        """Send what was kept back, and all that follows."""
        ...

    def ended(self) -> bool:
        """Whether every call that has come in was answered."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """All connections together: how many are open, whether nothing is unsent or unread, and bytes either way."""

    open: int
    at_rest: bool
    traffic: int


class Drain:
    """One drain of ``server``, whose frames ``goaway`` can send; None where nobody else can write them, as with TLS."""

    def __init__(self, server: Drained, sockets: ServerSockets, goaway: GoAway | None) -> None:
        self._server = server
        self._sockets = sockets
        self._goaway = goaway
        self._pause = threading.Event()

    def run(self, delay_seconds: float, grace_seconds: float) -> bool:
        """Until everything was answered and has left, for ``grace_seconds`` at most; whether it has. Closes nothing.

        New connections are taken for ``delay_seconds`` of these. Those that are open now are told to go elsewhere at
        once, the others when the listener is gone.
        """
        began = time.monotonic()
        deadline = began + grace_seconds
        first = self._goaway.known() if self._goaway is not None else frozenset()
        self._tell_all(first, deadline)
        self._wait(min(began + delay_seconds, deadline), first)
        self._close_listeners(deadline)
        if self._goaway is None:
            return self._server.ended()
        self._tell_all(None, deadline)
        return self._look_until(self._quiet(time.monotonic()), deadline)

    def _tell(self, among: Collection[int] | None) -> int:
        return self._goaway.tell(among) if self._goaway is not None else 0

    def _writers_sleep(self) -> bool:
        return self._goaway is None or self._goaway.writers_sleep()

    def _tell_all(self, among: Collection[int] | None, deadline: float) -> None:
        """With the answers held back, for connections on which they follow each other without a pause."""
        if not self._tell(among):
            return
        self._server.hold()
        try:
            self._look_until(lambda: not self._tell(among), min(time.monotonic() + _HOLD_SECONDS, deadline))
        finally:
            self._server.release()

    def _wait(self, until: float, first: Collection[int] = ()) -> None:
        """Whom it has not been told yet by then is told meanwhile, without holding up others."""
        left = bool(first)

        def told() -> bool:
            nonlocal left
            left = left and self._tell(first) > 0
            return False

        self._look_until(told, until)

    def _close_listeners(self, deadline: float) -> None:
        """Accept what has come, and nothing more."""
        self._sockets.stop_new_connections()
        self._wait(min(time.monotonic() + _HANDSHAKE_SECONDS, deadline))
        self._sockets.take_listeners(min(_DRY_SECONDS, max(deadline - time.monotonic(), 0)))

    def _quiet(self, since: float) -> Callable[[], bool]:
        """Whether nothing is under way and nothing is expected, looked at again and again."""
        quiet_since, seen = since, _State(open=0, at_rest=False, traffic=0)

        def quiet() -> bool:
            nonlocal quiet_since, seen
            now, before = time.monotonic(), seen
            # In this order: the last of an answer may be on its way to the socket when its call has ended.
            resting = self._tell(None) == 0 and self._server.ended() and self._writers_sleep()
            seen = self._state()
            if not (resting and seen.at_rest):
                quiet_since = now
                return False
            if seen != before:
                quiet_since = now
            return not seen.open or now - quiet_since >= _QUIET_SECONDS or now - since >= _PATIENCE_SECONDS

        return quiet

    def _state(self) -> "_State":
        found, at_rest, traffic = 0, True, 0
        for connection in self._sockets.connections():
            with suppress(OSError):  # it is gone
                sent = connection.sent()
                at_rest &= sent.all and not connection.unread()
                traffic += (sent.bytes or 0) + connection.received()
                found += 1
        return _State(open=found, at_rest=at_rest, traffic=traffic)

    def _look_until(self, done: Callable[[], bool], deadline: float) -> bool:
        began = time.monotonic()
        while not done():
            ended = time.monotonic()
            if ended >= deadline:
                return False
            # Looking at ten thousand connections takes a while, and calls go on beside it.
            self._pause.wait(min(max(_LOOK_AGAIN_SECONDS, 4 * (ended - began)), deadline - ended))
            began = time.monotonic()
        return True
