"""kill -9 under load: clients get clean errors, and another server has the same ports and socket at once."""

import signal
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.faults.light_load import healthy
from tests.faults.under_load import FLAGS
from tests.server.doors.clients import Target, floats, predict_request
from tests.support.frames import PREDICT
from tests.support.ports import free_port
from tests.support.server_process import START_SECONDS, ServerProcess


@pytest.fixture(params=["native", "grpcio"])
def flags(request: pytest.FixtureRequest, config: str, tmp_path: Path) -> tuple[str, ...]:
    """Of a server on ports that another one can take."""
    ports = (f"--port={free_port()}", f"--rest_api_port={free_port()}", f"--grpc_socket_path={tmp_path / 's'}")
    return (config, *FLAGS, f"--grpc_transport={request.param}", *ports)


@pytest.fixture
def first(flags: tuple[str, ...]) -> Iterator[ServerProcess]:
    """The server that will be killed."""
    with ServerProcess(flags) as server:
        yield server


def test_another_one_takes_its_place(first: ServerProcess, flags: tuple[str, ...], tmp_path: Path) -> None:
    """Calls end as unavailable or by the end of a connection, none hangs; the next server answers at all three."""
    with healthy(first).running() as load:
        first.process.kill()
        load.until_trouble()
        assert first.wait() == -signal.SIGKILL
    unclean = [each for each in load.trouble if not each.startswith(("REST Conn", "REST Remote", "gRPC UNAVAILABLE"))]
    assert unclean == []
    with ServerProcess(flags) as second:
        assert (second.grpc_port, second.rest_port) == (first.grpc_port, first.rest_port)
        with healthy(second).running() as load:
            load.is_answered()
        assert load.trouble == []
        with grpc.insecure_channel(f"unix:{tmp_path / 's'}") as channel:
            payload = predict_request(Target(model="healthy"), {"x": floats(2)})
            assert channel.unary_unary(PREDICT)(payload, timeout=START_SECONDS)
