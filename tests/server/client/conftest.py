"""A running server for the client's tests, behind each gRPC transport, and the two clients as one way to ask."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from serving.client import AsyncClient, Client
from tests.support.server_process import ServerProcess, wait_until, write_model_config

SERVED = ("half_plus_two", "half_plus_three", "dtypes", "multi", "strings", "classifier", "slow", "labels")

Ask = Callable[..., Any]
"""Called with a method's name and its arguments; gives or raises what the method does."""


@pytest.fixture(scope="package", params=["native", "grpcio"])
def server(request: pytest.FixtureRequest, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server of the models in ``SERVED``, of ``labels`` with two labels; it must end well."""
    config = write_model_config(
        tmp_path_factory.mktemp("config") / "models.config",
        {name: models / name for name in SERVED},
        labels={"labels": {"stable": 1, "canary": 2}},
    )
    flags = (f"--grpc_transport={request.param}", f"--model_config_file={config}")
    with ServerProcess([*flags, "--allow_version_labels_for_unavailable_models"]) as started:
        wait_until("labels point somewhere", lambda: started.rest("GET", "/v1/models/labels/labels/canary")[0] == 200)
        yield started
    assert started.process.returncode == 0, started.output
    assert "Traceback" not in "".join(started.output)


@pytest.fixture(scope="package")
def served(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server of the same models, for what is the same behind either transport."""
    config = write_model_config(
        tmp_path_factory.mktemp("config") / "models.config",
        {name: models / name for name in SERVED},
        labels={"labels": {"stable": 1}},
    )
    with ServerProcess([f"--model_config_file={config}", "--allow_version_labels_for_unavailable_models"]) as started:
        yield started


@pytest.fixture
def at(served: ServerProcess) -> Mapping[str, str]:
    """That server, as the environment of ``serving-client`` names it."""
    return {"SERVING_ADDRESS": f"localhost:{served.grpc_port}"}


@pytest.fixture
def address(server: ServerProcess) -> str:
    return f"localhost:{server.grpc_port}"


def ask_waiting(address: str, method: str, *given: Any, **options: Any) -> Any:
    """One call of a Client."""
    with Client(address) as client:
        return getattr(client, method)(*given, **options)


def ask_with_asyncio(address: str, method: str, *given: Any, **options: Any) -> Any:
    """One call of an AsyncClient, in an event loop of its own."""

    async def main() -> Any:
        async with AsyncClient(address) as client:
            return await getattr(client, method)(*given, **options)

    return asyncio.run(main())


@pytest.fixture(params=[ask_waiting, ask_with_asyncio], ids=["waiting", "asyncio"])
def ask(request: pytest.FixtureRequest, address: str) -> Ask:
    """Both clients, one after the other, against the server."""

    def call(method: str, *given: Any, **options: Any) -> Any:
        return request.param(address, method, *given, **options)

    return call
