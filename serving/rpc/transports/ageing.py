"""Ages of connections for a server that has none: each is told to go elsewhere when it is old, and cut after a grace.

Those on which nothing goes are given up in the same way. One thread looks at the sockets some times in an age; nothing
is done for a call (docs/adr/0038-ages-of-connections.md).
"""

import math
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from serving.rpc.connections import ConnectionLimits
from serving.rpc.transports.draining import Drained
from serving.rpc.transports.goaway import GoAway
from serving.rpc.transports.sockets import ServerSockets
from serving.telemetry.log import logger

_SPREAD = 0.1
"""How much longer or shorter than its age a connection lasts, as with gRPC: those that began together end apart."""

_LOOKS = 40
"""At all connections in an age: each is told as much later at most."""

_SOONEST_SECONDS, _LATEST_SECONDS = 0.05, 5.0
"""Between two looks, of which one at a thousand connections costs some 20 ms."""

_BALANCE_SECONDS = 1.0
"""The same, where other processes may have fewer connections."""

_TRIES = 10
_TRY_SECONDS = 0.005
_HOLD_SECONDS = 0.02
_HOLDS = 3
"""A connection that is never between two frames is looked at so often in a row, and so often while answers are held
back; then the others are not to wait for it any more. It may have such a moment at a later look."""


Surplus = Callable[[int], int]
"""Of so many connections, how many other processes ought to have instead."""


@dataclass(slots=True)
class _Life:
    """When a connection is old; since when it is told, and how often others have waited for that.

    ``traffic`` is how many bytes have gone, either way, and ``moved`` when there were last more of them.
    """

    due: float
    moved: float
    told: float | None = None
    holds: int = 0
    traffic: int = -1

    def is_over(self, now: float, grace: float) -> bool:
        """Whether it is old and has had its grace, which one that could not be told has as well."""
        since = self.due if self.told is None else max(self.due, self.told)
        return since + grace <= now


class Ageing:
    """Tells the connections of ``server`` that have ``limits.age_ms``, a tenth more or less, by ``goaway``.

    Those that are open ``limits.grace_ms`` later are cut, whether they could be told or not. After ``limits.idle_ms``
    without a byte a connection is told as well, and after as long again cut, in a moment in which the server has no
    call, for one may be long and silent. The youngest of ``surplus`` are told as if they were old, where other
    processes at the same port have fewer. ``clock`` gives seconds.
    """

    def __init__(
        self,
        server: Drained,
        sockets: ServerSockets,
        goaway: GoAway,
        limits: ConnectionLimits,
        clock: Callable[[], float] = time.monotonic,
        surplus: Surplus | None = None,
    ) -> None:
        self._server = server
        self._sockets = sockets
        self._goaway = goaway
        self._age = limits.age_ms / 1000 or math.inf
        self._idle = limits.idle_ms / 1000 or math.inf
        self._grace = None if limits.grace_ms is None else limits.grace_ms / 1000
        self._surplus = surplus
        self._clock = clock
        self._lives: dict[int, _Life] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="grpc-ages", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more: what is open is a drain's business. Returns once the thread has ended."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Learn which connections there are, tell those that are old, cut those that are older."""
        now, open_now = self._clock(), self._sockets.numbers(self._lives.keys())
        gone = self._lives.keys() - open_now
        for number in gone:
            del self._lives[number]
        self._goaway.forget(gone)
        for number in open_now - self._lives.keys():
            spread = random.uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311 - no secret
            self._lives[number] = _Life(due=now + self._age * spread, moved=now)
        if self._surplus is not None:
            lasting = [life for life in self._lives.values() if life.told is None]
            for life in lasting[len(lasting) - self._surplus(len(lasting)) :]:
                life.due = now
        if self._idle < math.inf:
            self._see_traffic(now)
        if old := self.untold():
            self._tell(old)
        self._cut(self._clock())

    def untold(self) -> dict[int, _Life]:
        """Those that are old and could not be told yet."""
        now = self._clock()
        return {
            number: life
            for number, life in self._lives.items()
            if life.told is None and (life.due <= now or self._is_idle(life, now))
        }

    def __len__(self) -> int:
        """How many connections it knows."""
        return len(self._lives)

    def _run(self) -> None:
        pause = min(max(min(self._age, self._idle) / _LOOKS, _SOONEST_SECONDS), _LATEST_SECONDS)
        if self._grace is not None:
            pause = min(pause, max(self._grace / 2, _SOONEST_SECONDS))
        if self._surplus is not None:
            pause = min(pause, _BALANCE_SECONDS)
        while not self._over.wait(pause):
            try:
                self.look()
            except Exception:  # noqa: BLE001 - the loop's one net: a connection that gets old is no reason to end
                logger.exception("Looking at the ages of gRPC connections failed")

    def _tell(self, old: dict[int, _Life]) -> None:
        left = self._tries(old, _TRIES)
        waited_for = [life for number, life in left.items() if life.holds < _HOLDS]
        if waited_for:
            for life in waited_for:
                life.holds += 1
            self._server.hold()
            try:
                self._tries(left, round(_HOLD_SECONDS / _TRY_SECONDS))
            finally:
                self._server.release()

    def _tries(self, old: dict[int, _Life], tries: int) -> dict[int, _Life]:
        """Try to tell these; which have still to be told."""
        left = old
        for _ in range(tries):
            self._goaway.tell(left)
            now = self._clock()
            for number, life in left.items():
                if self._goaway.has_told(number):
                    life.told = now
            left = {number: life for number, life in left.items() if life.told is None}
            if not left or self._over.wait(_TRY_SECONDS):
                break
        return left

    def _see_traffic(self, now: float) -> None:
        for connection in self._sockets.connections():
            life = self._lives.get(connection.number)
            with suppress(OSError):  # it is gone
                traffic = (connection.sent().bytes or 0) + connection.received()
                if life is not None and traffic != life.traffic:
                    life.traffic, life.moved = traffic, now

    def _is_idle(self, life: _Life, now: float) -> bool:
        return life.moved + self._idle <= now

    def _cut(self, now: float) -> None:
        grace = math.inf if self._grace is None else self._grace
        over = {number for number, life in self._lives.items() if life.is_over(now, grace)}
        idle = {number for number, life in self._lives.items() if life.told is not None and self._is_idle(life, now)}
        if idle and self._server.ended():
            over |= idle
        if over:
            for connection in self._sockets.connections(among=over):
                with suppress(OSError):  # it is gone
                    connection.cut()
