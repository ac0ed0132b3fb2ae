"""What the tests of the metrics page share: a server that has one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.telemetry.metrics_page import monitoring
from tests.support.server_process import ServerProcess, write_model_config


@pytest.fixture(scope="module", params=["grpcio", "native"])
def server(
    request: pytest.FixtureRequest, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server with metrics at the default path, once for each gRPC transport."""
    directory = tmp_path_factory.mktemp("metrics")
    names = ("half_plus_three", "classifier", "slow", "failing", "warmup")
    config = write_model_config(directory / "models.config", {name: models / name for name in names})
    flags = [
        f"--model_config_file={config}",
        f"--grpc_transport={request.param}",
        "--max_request_bytes=100000",
        monitoring(directory, "prometheus_config { enable: true }"),
    ]
    with ServerProcess(flags) as running:
        yield running
