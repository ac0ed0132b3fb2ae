"""GOAWAY and the end of listening behind a server's back, on real sockets; the server is this test."""

import errno
import select
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from serving.rpc.transports.goaway import GOAWAY, GoAway
from tests.support.server_process import wait_until
from tests.unit.doors.served_sockets import NOBODY, SETTINGS, Serve, Served, fill, take


def told(goaway: GoAway) -> None:
    """Tell until all know, for the systems of two ends take a moment to hear of each other's bytes."""
    wait_until("all are told", lambda: goaway.tell() == 0)


def test_each_is_told_once(served: Served) -> None:
    """However often one tells, and those who come later too."""
    goaway = GoAway(served.sockets, NOBODY)
    clients = []
    for _ in range(2):
        client, _ = served.greeted()
        told(goaway)
        clients.append(client)
    told(goaway)
    for client in clients:
        assert take(client, len(GOAWAY)) == GOAWAY
        assert not select.select([client], [], [], 0)[0]


def test_only_those_asked_for_are_told(served: Served) -> None:
    """Who came after they were noted waits for the next time."""
    goaway = GoAway(served.sockets, NOBODY)
    old, _ = served.greeted()
    noted = goaway.known()
    new, _ = served.greeted()
    wait_until("the old one is told", lambda: goaway.tell(noted) == 0)
    assert take(old, len(GOAWAY)) == GOAWAY
    assert not select.select([new], [], [], 0)[0]


@pytest.mark.parametrize("kind", ["ipv4", "ipv6"])
def test_settings_come_first(serve: Serve, kind: str) -> None:
    """A connection on which the server has said nothing yet is not told."""
    served = serve(kind)
    goaway = GoAway(served.sockets, NOBODY)
    client, accepted = served.connect()
    assert goaway.tell() == 1
    accepted.send(SETTINGS)
    told(goaway)
    assert take(client, len(SETTINGS + GOAWAY)) == SETTINGS + GOAWAY


def test_peer_that_does_not_read_is_not_told(served: Served) -> None:
    """For the server may be in the middle of a frame; the others are told, and this one when it has read."""
    goaway = GoAway(served.sockets, NOBODY)
    stalled, accepted = served.connect()
    size = fill(accepted)
    other, _ = served.greeted()
    wait_until("the other is told", lambda: goaway.tell() == 1 and bool(select.select([other], [], [], 0)[0]))
    assert take(other, len(GOAWAY)) == GOAWAY
    assert take(stalled, size) == b"x" * size
    told(goaway)
    assert take(stalled, len(GOAWAY)) == GOAWAY


def test_awake_writer_may_be_in_the_middle_of_a_frame(served: Served) -> None:
    """The thread that asks is awake, so nobody is told as long as it counts as a writer."""
    comm = Path("/proc/self/comm").read_text().strip()
    _client, _accepted = served.greeted()
    told(GoAway(served.sockets, NOBODY))
    assert GoAway(served.sockets, comm).tell() == 1


def test_sockets_of_others_are_left_alone(serve: Serve, served: Served) -> None:
    """Other listeners, their connections, and clients in this process; a connection that is gone is no matter."""
    goaway = GoAway(served.sockets, NOBODY)
    _, gone = served.connect()
    gone.close()
    with closing(socket.socket(socket.AF_UNIX)) as abstract, closing(socket.socket(socket.AF_UNIX)) as client:
        abstract.bind(f"\0test {uuid4()}")
        abstract.listen()
        client.connect(abstract.getsockname())
        other = serve("ipv4")
        theirs, _ = other.greeted()
        assert goaway.tell() == 0
        served.sockets.take_listeners(1)
        assert not select.select([theirs], [], [], 0)[0]
        other.greeted()
        abstract.accept()[0].close()


def test_listener_is_taken_away(served: Served) -> None:
    """New connections are refused; the descriptor stays the server's, and says that it is none to accept from."""
    client, accepted = served.connect()
    served.sockets.take_listeners(1)
    with pytest.raises(ConnectionRefusedError):
        served.client().connect(client.getpeername())
    with pytest.raises(OSError, match="non-socket"):
        served.listener.accept()
    accepted.send(b"still there")
    assert client.recv(100) == b"still there"


def test_who_waits_is_accepted_first(served: Served) -> None:
    """The listener is taken away when the server has accepted them."""
    clients = [served.client() for _ in range(5)]
    for client in clients:
        client.connect(served.listener.getsockname())
    with ThreadPoolExecutor(1) as thread:
        taken = thread.submit(served.sockets.take_listeners, 60)
        for _ in clients:
            with served.listener.accept()[0] as accepted:
                accepted.send(SETTINGS)
        taken.result(30)
    assert [take(client, len(SETTINGS)) for client in clients] == [SETTINGS] * 5


def test_server_that_does_not_accept_is_not_waited_for(served: Served) -> None:
    """Longer than one is willing to wait."""
    served.client().connect(served.listener.getsockname())
    served.sockets.take_listeners(0.05)
    with pytest.raises(OSError, match="non-socket"):
        served.listener.accept()


def test_no_handshake_is_begun_any_more(serve: Serve) -> None:
    """A client that comes then hears nothing until the listener is gone, and then that it is."""
    served = serve("ipv4")
    served.sockets.stop_new_connections()
    client = served.client()
    client.setblocking(False)
    client.connect_ex(served.listener.getsockname())
    assert select.select([served.listener, client], [client], [], 0.1) == ([], [], [])
    served.sockets.take_listeners(1)
    assert select.select([], [client], [], 30)[1]
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED


def test_counts(served: Served) -> None:
    """What is unread, and what was sent and taken; UNIX sockets have no counts of bytes."""
    client, accepted = served.connect()
    client.send(b"12345")
    accepted.send(b"123")

    def seen() -> tuple[bool, int | None, int, int]:
        for connection in served.sockets.connections():
            return (*connection.sent(), connection.received(), connection.unread())
        raise AssertionError("there is none")

    if served.listener.family == socket.AF_UNIX:
        assert seen() == (False, None, 0, 5)
        client.recv(10)
        assert seen() == (True, None, 0, 5)
    else:
        wait_until("all has come", lambda: seen() == (True, 3, 5, 5))
