"""A process without a descriptor to spare: connections wait or are refused, and when there are some it is as before."""

import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.faults.under_load import FLAGS, fault
from tests.support.frames import Http2Connection
from tests.support.raw import RawConnection, request
from tests.support.server_process import ServerProcess, wait_until

DESCRIPTORS = 160
CONNECTIONS = 200
LIMITED = ("sh", "-c", f'ulimit -n {DESCRIPTORS}; exec "$@"', "sh", sys.executable, "-m", "serving")


def used(server: ServerProcess) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


@pytest.mark.parametrize("transport", ["native", "grpcio"])
@pytest.mark.parametrize("door", ["REST", "gRPC"])
def test_none_are_left(config: str, transport: str, door: str) -> None:
    """Those who are connected are answered meanwhile, everybody is once the others have gone."""
    with (
        ServerProcess((config, *FLAGS, f"--grpc_transport={transport}"), command=LIMITED) as server,
        fault(server) as load,
        ExitStack() as others,
    ):
        for _ in range(CONNECTIONS):
            connection = RawConnection(server.rest_port) if door == "REST" else Http2Connection(server.grpc_port)
            others.enter_context(connection)
        wait_until("there are none", lambda: used(server) >= DESCRIPTORS - 1)
        load.is_answered()
        others.close()
        wait_until("health is told", lambda: is_healthy(server))


def is_healthy(server: ServerProcess) -> bool:
    """Whether it says so; one that has no descriptor left yet ends the connection."""
    with RawConnection(server.rest_port) as connection, suppress(EOFError, ConnectionError):
        connection.send(request("GET", "/healthz/ready"))
        return connection.response().status == 200
    return False


@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_a_version_that_comes_when_there_are_none(config: str, base: Path, transport: str) -> None:
    """It cannot be looked for or loaded then, and is afterwards; the versions that serve are not taken away."""
    flags = (
        config,
        *FLAGS,
        f"--grpc_transport={transport}",
        "--max_num_load_retries=5",
        "--load_retry_interval_micros=100000",
    )
    with (
        ServerProcess(flags, command=LIMITED) as server,
        fault(server) as load,
        ExitStack() as others,
    ):
        for _ in range(CONNECTIONS):
            others.enter_context(RawConnection(server.rest_port))
        wait_until("there are none", lambda: used(server) >= DESCRIPTORS - 1)
        (base / "1").rename(base / "2")
        load.is_answered()
        wait_until("the source notices", lambda: any("for servable" in line for line in server.output[10:]))
        others.close()
        server.wait_for(r"Successfully loaded servable version \{name: m version: 2\}")
