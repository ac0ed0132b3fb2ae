"""Clients that go away in the middle of a call: the server stays well, and lets go of the version they asked for."""

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.server.doors.clients import Client, GrpcClient, RestClient, Target, floats, predict_request
from tests.support.raw import RawConnection, request
from tests.support.server_process import ServerProcess, wait_until

CALLS = 6
MILLISECONDS = 1000.0
WAIT = Target(model="default", signature="wait")


@pytest.fixture
def slow(door: str, models: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    """A server of a copy of ``slow`` with two threads for slow calls, so that some wait for one."""
    shutil.copytree(models / "slow", tmp_path / "slow")
    flags = (
        f"--grpc_transport={'grpcio' if door == 'rest' else door}",
        f"--model_base_path={tmp_path / 'slow'}",
        "--rest_api_num_threads=2",
        "--grpc_max_threads=16",
    )
    with ServerProcess(flags) as server:
        yield server
    assert server.process.returncode == 0
    assert "Traceback" not in "".join(server.output)


def begin_rest(server: ServerProcess) -> Callable[[], None]:
    """Send a slow call; what is returned drops the connection."""
    connection = RawConnection(server.rest_port)
    body = json.dumps({"signature_name": "wait", "instances": [MILLISECONDS]}).encode()
    connection.send(request("POST", "/v1/models/default:predict", body))
    return connection.socket.close


def begin_grpc(client: GrpcClient) -> Callable[[], None]:
    """Send a slow call; what is returned cancels it."""
    call = client.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    return call.future(predict_request(WAIT, {"ms": floats(MILLISECONDS)})).cancel  # type: ignore[no-any-return]


def test_version_can_be_unloaded_after_its_clients_went_away(door: str, slow: ServerProcess, tmp_path: Path) -> None:
    """Calls that run and calls that wait for a thread both give up their hold once nobody waits for them."""
    client: Client = RestClient(slow) if door == "rest" else GrpcClient(slow)
    dropped = [begin_grpc(client) if isinstance(client, GrpcClient) else begin_rest(slow) for _ in range(CALLS)]
    with ThreadPoolExecutor(1) as other:
        answered = other.submit(client.predict, WAIT, {"ms": floats(MILLISECONDS)})
        for drop in dropped:
            drop()
        assert answered.result()["y"].tolist() == [MILLISECONDS]
    (tmp_path / "slow" / "1").rename(tmp_path / "gone")
    wait_until("the version is unloaded", lambda: client.status(WAIT) == [(1, "END")])
    client.close()
