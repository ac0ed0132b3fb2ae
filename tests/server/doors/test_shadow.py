"""A share of the requests at a real server goes to another version as well, and is compared; clients notice nothing."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.server.doors.clients import GrpcClient, Target, floats
from tests.server.telemetry.metrics_page import points
from tests.support.server_process import ServerProcess, wait_until, write_model_config

FLAGS = ("--shadow=half_plus_two:123:1,mnist:1:0.5", "--shadow=mixed:1:1", "--shadow=half_plus_three:9:1,none:1:1")


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Every model but ``half_plus_three`` has two versions; the shadow is the lower one, or one that there is not."""
    directory = tmp_path_factory.mktemp("shadows")
    for target, source in {
        "half_plus_two/123": "half_plus_two/123",
        "half_plus_two/124": "half_plus_two/124",
        "mnist/1": "mnist/1",
        "mnist/2": "mnist/1",
        "mixed/1": "failing/1",
        "mixed/2": "half_plus_three/1",
        "half_plus_three/1": "half_plus_three/1",
    }.items():
        shutil.copytree(models / source, directory / target, copy_function=os.link)
    config = write_model_config(directory / "models.config", {path.name: path for path in directory.iterdir()})
    with ServerProcess((f"--model_config_file={config}", *FLAGS)) as made:
        wait_until("all versions", lambda: all(has_both(made, name) for name in ("half_plus_two", "mnist", "mixed")))
        yield made
    assert made.process.returncode == 0
    assert "Traceback" not in "".join(made.output)


def has_both(server: ServerProcess, name: str) -> bool:
    """Whether both versions of a model are available."""
    states = json.loads(server.rest("GET", f"/v1/models/{name}")[1])["model_version_status"]
    return [each["state"] for each in states] == ["AVAILABLE"] * 2


def outcomes(server: ServerProcess, model: str) -> dict[str, float]:
    """What came of the shadow requests of a model."""
    found = {}
    for name, value in points(server).items():
        if name.startswith(f':serving:shadow_requests{{model_name="{model}"'):
            found[name.partition('outcome="')[2].partition('"')[0]] = value
    return found


def ask(server: ServerProcess, model: str, instances: object) -> tuple[int, object]:
    """The status and the predictions."""
    status, answer = server.rest("POST", f"/v1/models/{model}:predict", json.dumps({"instances": instances}))
    return status, json.loads(answer).get("predictions")


def test_every_protocol_is_compared(server: ServerProcess) -> None:
    """REST, gRPC and the Open Inference Protocol are answered by version 124, and asked of 123 as well."""
    assert ask(server, "half_plus_two", [3.0]) == (200, [3.0])
    client = GrpcClient(server)
    try:
        assert client.predict(Target(model="half_plus_two"), {"x": floats(6)})["y"].tolist() == [4.0]
    finally:
        client.close()
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [9.0]}]}
    status, answer = server.rest("POST", "/v2/models/half_plus_two/infer", json.dumps(body))
    assert (status, json.loads(answer)["outputs"][0]["data"]) == (200, [5.0])
    wait_until("three differ", lambda: outcomes(server, "half_plus_two") == {"differed": 3})
    found = points(server)
    labels = 'model_name="half_plus_two",version="123"'
    assert found[f':serving:shadow_seconds_count{{{labels},run="live"}}'] == 3
    assert found[f':serving:shadow_seconds_count{{{labels},run="shadow"}}'] == 3


def test_requests_of_the_shadow_are_its_own(server: ServerProcess) -> None:
    """Who asks for it by its number is answered by it, and nothing is compared."""
    before = outcomes(server, "half_plus_two")
    status, _ = server.rest("POST", "/v1/models/half_plus_two/versions/123:predict", '{"instances": [1.0]}')
    assert status == 200
    assert outcomes(server, "half_plus_two") == before


def test_half_of_them_agree(server: ServerProcess) -> None:
    """The two versions are one model, which a half of the requests shows."""
    images = np.random.default_rng(1).random((2, 784)).round(3).tolist()
    for _ in range(4):
        assert ask(server, "mnist", images)[0] == 200
    wait_until("two agree", lambda: outcomes(server, "mnist") == {"agreed": 2})


def test_a_shadow_that_fails(server: ServerProcess) -> None:
    """The client has its answer; the failure is counted, and told once."""
    for _ in range(2):
        assert ask(server, "mixed", [-2.0]) == (200, [2.0])
    wait_until("both failed", lambda: outcomes(server, "mixed") == {"failed": 2})
    told = [line for line in server.output if "Version 1 of model mixed, a shadow (--shadow), does not answer" in line]
    assert len(told) == 1
    assert "x must not be negative" in told[0]


def test_a_version_that_is_not_there(server: ServerProcess) -> None:
    """Requests are dropped, which is told once; a model that there is not is told at the start."""
    for _ in range(2):
        assert ask(server, "half_plus_three", [2.0]) == (200, [4.0])
    wait_until("both are dropped", lambda: outcomes(server, "half_plus_three") == {"dropped": 2})
    text = "Version 9 of model half_plus_three, a shadow (--shadow), is not served, and gets no requests"
    assert sum(text in line for line in server.output) == 1
    server.wait_for("--shadow names none, and there is no such model")


def test_nothing_of_it_is_in_the_former_metrics(server: ServerProcess) -> None:
    """What clients have asked is counted, and nothing else."""
    ask(server, "half_plus_three", [2.0])
    name = ':tensorflow:serving:request_count{model_name="half_plus_three",status="OK"}'
    before = points(server)[name]
    ask(server, "half_plus_three", [2.0])
    assert points(server)[name] == before + 1
