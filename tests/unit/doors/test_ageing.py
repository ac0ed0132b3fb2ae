"""Ages of connections behind a server's back, looked at step by step with a clock of the test, which is the server."""

import select
import socket

import pytest

from serving.rpc.connections import ConnectionLimits
from serving.rpc.transports.ageing import Ageing, Surplus
from serving.rpc.transports.goaway import GOAWAY, GoAway
from tests.support import ManualClock
from tests.support.server_process import wait_until
from tests.unit.doors.served_sockets import NOBODY, Serve, Served, fill, take

AGE, GRACE = 100.0, 10.0
YOUNGEST, OLDEST = 0.9 * AGE, 1.1 * AGE


class Server:
    """What ageing asks of a server: it says how often answers were held back, and whether some are now."""

    def __init__(self) -> None:
        self.holds = 0
        self.held = False
        self.calls = 0

    def hold(self) -> None:
        self.holds += 1
        self.held = True

    def release(self) -> None:
        self.held = False

    def ended(self) -> bool:
        return not self.calls


class Aged:
    """Ageing of what ``served`` has accepted."""

    def __init__(
        self,
        served: Served,
        grace_ms: int | None = round(GRACE * 1000),
        idle_ms: int = 0,
        surplus: Surplus | None = None,
    ) -> None:
        self.server, self.clock = Server(), ManualClock()
        limits = ConnectionLimits(age_ms=0 if idle_ms else round(AGE * 1000), grace_ms=grace_ms, idle_ms=idle_ms)
        goaway = GoAway(served.sockets, NOBODY)
        self.ageing = Ageing(self.server, served.sockets, goaway, limits, self.clock, surplus)

    def after(self, seconds: float) -> None:
        """Look, that much later."""
        self.clock.advance(seconds)
        self.ageing.look()


def has_ended(client: socket.socket) -> bool:
    """Whether the other side has closed, with nothing before that."""
    client.settimeout(30)
    return client.recv(1) == b""


def is_silent(*clients: socket.socket) -> bool:
    """Whether nothing has come."""
    return not select.select(clients, [], [], 0)[0]


def until_told(aged: Aged) -> None:
    """Look until all are told that are old, for the systems of two ends take a moment to hear of each other's bytes."""

    def looked() -> bool:
        aged.after(0)
        return not aged.ageing.untold()

    wait_until("who is old is told", looked)


def test_each_has_its_own_age(served: Served) -> None:
    """Counted from when it was first seen, a tenth more or less; it is told once, and cut when its grace is over."""
    aged = Aged(served)
    old, _ = served.greeted()
    aged.after(0)
    aged.after(YOUNGEST / 2)
    young, _ = served.greeted()
    aged.after(0)
    aged.after(YOUNGEST / 2 - 1)
    assert is_silent(old, young)
    aged.after(OLDEST - YOUNGEST + 1)
    until_told(aged)
    assert take(old, len(GOAWAY)) == GOAWAY
    aged.after(GRACE - 1)
    assert is_silent(old, young)
    aged.after(1)
    assert has_ended(old)
    assert is_silent(young)


def test_ages_are_spread(served: Served) -> None:
    """Those that came together do not go together."""
    aged = Aged(served, grace_ms=None)
    clients = [served.greeted()[0] for _ in range(8)]
    aged.after(0)
    aged.after(YOUNGEST)
    told = []
    for _ in range(20):
        aged.after((OLDEST - YOUNGEST) / 20)
        until_told(aged)
        told.append(sum(not is_silent(each) for each in clients))
    assert told[-1] == 8
    assert len(set(told)) > 2


def test_without_a_grace_nobody_is_cut(served: Served) -> None:
    """Who was told stays for as long as it likes."""
    aged = Aged(served, grace_ms=None)
    client, _ = served.greeted()
    aged.after(0)
    aged.after(OLDEST)
    until_told(aged)
    assert take(client, len(GOAWAY)) == GOAWAY
    aged.after(1000 * AGE)
    assert is_silent(client)


def test_peer_that_does_not_read(served: Served) -> None:
    """It cannot be told; others wait for it a few times only, and it is cut when its grace is over."""
    aged = Aged(served)
    client, accepted = served.connect()
    size = fill(accepted)
    aged.after(0)
    aged.after(OLDEST)
    for _ in range(5):
        aged.after(0)
    assert aged.server.holds == 3
    assert not aged.server.held
    aged.after(GRACE)
    assert take(client, size) == b"x" * size
    assert has_ended(client)


def test_what_is_gone_is_forgotten(served: Served) -> None:
    """The next connection has an age of its own, whatever number the system gives it."""
    aged = Aged(served)
    client, accepted = served.greeted()
    aged.after(0)
    assert len(aged.ageing) == 1
    client.close()
    accepted.close()
    aged.after(0)
    assert len(aged.ageing) == 0


IDLE = 50.0


@pytest.mark.parametrize("kind", ["ipv4", "ipv6"])
def test_idle_connections(serve: Serve, kind: str) -> None:
    """Told when nothing has gone for so long, and cut after as long again in a moment when the server has no call."""
    served = serve(kind)
    aged = Aged(served, idle_ms=round(IDLE * 1000))
    quiet, _ = served.greeted()
    busy, accepted = served.greeted()
    aged.server.calls = 1
    aged.after(0)
    for _ in range(3):
        aged.after(IDLE / 3 + 1)
        busy.send(b"x")
        wait_until("it has come", lambda: bool(select.select([accepted], [], [], 0)[0]))
        accepted.recv(1)
    until_told(aged)
    assert take(quiet, len(GOAWAY)) == GOAWAY
    aged.after(0)
    for _ in range(4):
        busy.send(b"x")
        aged.after(IDLE / 2)
        accepted.recv(1)
    assert is_silent(quiet, busy)
    aged.server.calls = 0
    aged.after(0)
    assert has_ended(quiet)
    assert is_silent(busy)


def test_the_youngest_beyond_a_share_are_told(served: Served) -> None:
    """As if they were old, once; those that were told do not count any more."""
    asked: list[int] = []

    def surplus(connections: int) -> int:
        asked.append(connections)
        return max(connections - 2, 0)

    aged = Aged(served, grace_ms=None, surplus=surplus)
    clients = []
    for _ in range(3):
        clients.append(served.greeted()[0])
        aged.after(0)
    until_told(aged)
    assert take(clients[2], len(GOAWAY)) == GOAWAY
    aged.after(1)
    assert is_silent(*clients)
    assert (asked[0], asked[-1]) == (1, 2)
