"""A REST door on a loop whose time is moved by the test, and plain requests to its lane. No tests."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, replace
from typing import TypeVarTuple

import pytest

from serving.rest.connection.bounds import Bounds
from serving.rest.connection.traffic import Traffic
from serving.rest.server import RestDoor
from tests.support import ManualClock
from tests.support.raw import request as written
from tests.unit.doors.lanes import MAX_REQUEST_BYTES, Line, Service

PREDICT = "/v1/models/m:predict"
SLOW = "/v1/models/slow:predict"
BODY = b'{"instances": [1.0]}'
PLAIN = written("POST", PREDICT, BODY)
PATIENT = Bounds(head_timeout_seconds=0, body_timeout_seconds=0)
MOST_TURNS = 5000

Options = TypeVarTuple("Options")


class ManualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only when told to; ``timers`` are those that were ever set."""

    def __init__(self, clock: ManualClock) -> None:
        self._manual = clock
        self.timers: list[asyncio.TimerHandle] = []
        super().__init__()

    def call_at(
        self, when: float, callback: Callable[[*Options], object], *args: *Options, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = super().call_at(when, callback, *args, context=context)
        self.timers.append(timer)
        return timer

    def time(self) -> float:
        return self._manual()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A door on a manual loop; ``connect`` makes connections to it."""

    loop: ManualLoop
    clock: ManualClock
    service: Service
    door: RestDoor

    @property
    def traffic(self) -> Traffic:
        """What the door counts."""
        return self.door._traffic

    def connect(self) -> Line:
        assert self.door.connection is not None
        line = Line(self.door.connection())
        self.turn()
        return line

    def feed(self, line: Line, *pieces: bytes) -> None:
        """Pieces as they arrive, in one turn of the loop."""

        async def receive() -> None:
            for piece in pieces:
                line.protocol.data_received(piece)

        self.loop.run_until_complete(receive())

    def turn(self, times: int = 3) -> None:
        """Let the loop do what is due."""
        for _ in range(times):
            self.loop.run_until_complete(asyncio.sleep(0))

    def turn_until(self, predicate: Callable[[], bool]) -> None:
        """Let the loop run until ``predicate`` holds; what threads do wakes it."""

        async def wait() -> None:
            for _ in range(MOST_TURNS):
                if predicate():
                    return
                await asyncio.to_thread(lambda: None)
            pytest.fail("it does not come")

        self.loop.run_until_complete(wait())

    def sent(self, line: Line, responses: int) -> list[bytes]:
        """The status lines that were sent, once there are so many."""
        self.turn_until(lambda: line.sent.count(b"HTTP/1.1 ") >= responses)
        return [part.partition(b"\r\n")[0] for part in line.sent.split(b"HTTP/1.1 ")[1:]]


@contextmanager
def benched(*, opened: bool, keepalive_seconds: float = 3630) -> Iterator[Bench]:
    """A door that answers; unless ``opened``, one whose models are not there yet."""
    clock = ManualClock()
    loop = ManualLoop(clock)
    with ThreadPoolExecutor(1) as executor:
        service = Service(executor)
        if opened:
            service.app.open()
        door = RestDoor(service.app, 0, MAX_REQUEST_BYTES, bounds=replace(PATIENT, keepalive_seconds=keepalive_seconds))
        loop.run_until_complete(door.start())
        yield Bench(loop=loop, clock=clock, service=service, door=door)
        service.slow.gate.set()
        loop.run_until_complete(door.drain(0, 0))
        loop.run_until_complete(door.stop())
        service.workers.close()
        loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
