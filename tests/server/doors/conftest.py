"""Doors for their tests: one process per gRPC transport, each with its REST door."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.server.doors.certificates import Authority, write_config
from tests.server.doors.clients import Client, GrpcClient, RestClient, Target, floats
from tests.support.raw import RawConnection
from tests.support.server_process import ServerProcess, wait_until, write_model_config

SERVED = (
    "half_plus_two",
    "half_plus_three",
    "dtypes",
    "multi",
    "strings",
    "classifier",
    "slow",
    "failing",
    "labels",
)

Servers = Callable[[str], ServerProcess]


@pytest.fixture(scope="session")
def model_config(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration of the models in ``SERVED``, in all their versions; two labels point into ``labels``."""
    return write_model_config(
        tmp_path_factory.mktemp("config") / "models.config",
        {name: models / name for name in SERVED},
        labels={"labels": {"stable": 1, "canary": 2}},
    )


@pytest.fixture(scope="session")
def servers(model_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The server with a gRPC transport, started when first asked for; it must end well and log no traceback."""
    started: dict[str, ServerProcess] = {}
    with ExitStack() as stack:

        def start(transport: str) -> ServerProcess:
            if transport not in started:
                flags = [f"--model_config_file={model_config}", "--allow_version_labels_for_unavailable_models"]
                carrier, trust = carried_by(transport, tmp_path_factory.mktemp("tls") / "config")
                flags += carrier
                server = started[transport] = stack.enter_context(ServerProcess(flags, trust=trust))
                wait_until("every version of every model is available", lambda: all_available(server))
            return started[transport]

        yield start
    for server in started.values():
        assert server.process.returncode == 0, server.output
        assert "Traceback" not in "".join(server.output)


@pytest.fixture
def connection(servers: Servers) -> Iterator[RawConnection]:
    """A connection to the REST port of a server."""
    with RawConnection(servers("grpcio").rest_port) as made:
        yield made


@pytest.fixture(scope="module", params=["rest", "grpcio", "native"])
def door(request: pytest.FixtureRequest) -> str:
    """Which way a test goes in."""
    return str(request.param)


@pytest.fixture(scope="module")
def connect(door: str, servers: Servers) -> Iterator[Callable[[], Client]]:
    """Makes clients of the door; they are closed at the end."""
    server = servers("grpcio" if door == "rest" else door)
    clients: list[Client] = []

    def make() -> Client:
        client = client_of(door, server)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def client(connect: Callable[[], Client]) -> Client:
    """A client of the door."""
    return connect()


@pytest.fixture(scope="module", params=["grpcio", "native"])
def transport(request: pytest.FixtureRequest) -> str:
    """The gRPC transport of a test that is about gRPC alone."""
    return str(request.param)


def carried_by(transport: str, config: Path) -> tuple[list[str], bytes]:
    """The flags for a transport, and the authority to trust: ``tls`` is native's by ``config``, which is written."""
    if transport != "tls":
        return [f"--grpc_transport={transport}"], b""
    authority = Authority("ours")
    identity = authority.identity()
    write_config(config, key=identity.key, certificate=identity.certificate)
    return ["--grpc_transport=native", f"--ssl_config_file={config}"], authority.certificate


def all_available(server: ServerProcess) -> bool:
    """Whether nothing is left to load; the doors open with the first version of each model."""
    models = json.loads(server.rest("GET", "/v1/models")[1])["states"].values()
    return {state["state"] for model in models for state in model["model_version_status"]} == {"AVAILABLE"}


def client_of(door: str, server: ServerProcess) -> Client:
    """A client of one of the doors of ``server``."""
    return RestClient(server) if door == "rest" else GrpcClient(server)


@pytest.fixture(scope="module")
def bystander(server: ServerProcess) -> Iterator[GrpcClient]:
    """Somebody who does everything right, at the ``server`` of a module."""
    made = GrpcClient(server)
    yield made
    made.close()


@pytest.fixture
def others_are_answered(bystander: GrpcClient) -> Iterator[None]:
    """Whatever a test did, the next call of somebody else is answered."""
    yield
    assert bystander.predict(Target(model="half_plus_three"), {"x": floats(1)})["y"].tolist() == [3.5]
