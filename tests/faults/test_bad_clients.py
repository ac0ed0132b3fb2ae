"""Clients that stop in the middle: they hold a connection, and nobody else waits for them."""

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pytest

from tests.faults.conftest import served
from tests.faults.under_load import FLAGS, fault
from tests.server.doors.clients import Target, floats, predict_request
from tests.support.frames import (
    DATA,
    END_HEADERS,
    HEADERS,
    NO_WINDOW,
    PREFACE,
    SETTINGS,
    Http2Connection,
    call,
    call_headers,
    frame,
    framed,
)
from tests.support.raw import RawConnection, request
from tests.support.server_process import ServerProcess

EACH = 20
"""More than may run at a time."""
POOL = 24
"""Over grpcio a call that is not there yet has a thread, of 21 here, which stay when they were needed once."""
ONE = framed(predict_request(Target(model="healthy"), {"x": floats(1)}))
LARGE = np.zeros(100_000, np.float32)
PREDICT = "/v1/models/healthy:predict"


@pytest.fixture(scope="module", params=["native", "grpcio"])
def server(
    request: pytest.FixtureRequest, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server over either transport."""
    _, config = served(models, tmp_path_factory.mktemp("served"))
    with ServerProcess((config, *FLAGS, f"--grpc_transport={request.param}")) as server:
        yield server


def rest_reads_nothing(server: ServerProcess, stack: ExitStack) -> None:
    """Answers of half a megabyte, of which the first few fill the socket."""
    connection = stack.enter_context(RawConnection(server.rest_port))
    whole = request("POST", PREDICT, b'{"instances": [%s]}' % b", ".join([b"1.25"] * 100_000))
    connection.socket.setblocking(False)
    with suppress(BlockingIOError):  # it takes no more
        connection.send(*[whole] * 4)


def rest_sends_half(server: ServerProcess, stack: ExitStack) -> None:
    """A head and a part of its body."""
    stack.enter_context(RawConnection(server.rest_port)).send(request("POST", PREDICT, b'{"instances": [1.0]}')[:-5])


def rest_sends_half_a_head(server: ServerProcess, stack: ExitStack) -> None:
    """Not even that."""
    stack.enter_context(RawConnection(server.rest_port)).send(b"POST /v1/models/heal")


def grpc_reads_nothing(server: ServerProcess, stack: ExitStack) -> None:
    """No window, so that no answer can be sent at all."""
    connection = stack.enter_context(Http2Connection(server.grpc_port, NO_WINDOW))
    connection.send(b"".join(call(stream, ONE) for stream in range(1, 41, 2)))


def grpc_sends_half(server: ServerProcess, stack: ExitStack) -> None:
    """A message without its end."""
    connection = stack.enter_context(Http2Connection(server.grpc_port))
    connection.send(frame(HEADERS, END_HEADERS, 1, call_headers()) + frame(DATA, 0, 1, ONE[:-3]))


STALLED = (rest_reads_nothing, rest_sends_half, rest_sends_half_a_head, grpc_reads_nothing, grpc_sends_half)

WHOLE = call(1, ONE)
HALVES = {
    "preface": PREFACE[:10],
    "settings": PREFACE + frame(SETTINGS, payload=NO_WINDOW)[:-2],
    "head of a frame": PREFACE + frame(SETTINGS) + WHOLE[:5],
    "headers": PREFACE + frame(SETTINGS) + WHOLE[:40],
    "data": PREFACE + frame(SETTINGS) + WHOLE[:-3],
    "length that never comes": PREFACE + frame(SETTINGS) + b"\x00\x3f\xff" + frame(HEADERS)[3:],
}


@pytest.mark.parametrize("stall", STALLED)
def test_stalled(server: ServerProcess, stall: Callable[[ServerProcess, ExitStack], None]) -> None:
    """As many as there are threads, and more: others are answered, and nothing is left when they have gone."""
    with fault(server, threads=POOL) as load, ExitStack() as stalled:
        for _ in range(EACH):
            stall(server, stalled)
        load.is_answered()


@pytest.mark.parametrize("reset", [False, True], ids=["ended", "reset"])
@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
def test_half_frames(server: ServerProcess, half: bytes, reset: bool) -> None:
    """The connection stays, or ends, with half a frame on it."""
    with fault(server, threads=POOL) as load, ExitStack() as stack:
        connections = [stack.enter_context(RawConnection(server.grpc_port)) for _ in range(EACH)]
        for connection in connections:
            connection.send(half)
        load.is_answered()
        for connection in connections:
            if reset:
                _reset(connection)


def _reset(connection: RawConnection) -> None:
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
