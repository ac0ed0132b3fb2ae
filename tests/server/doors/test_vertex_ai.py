"""Vertex AI's two paths on the REST port, as its variables choose them."""

import gzip
import json
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from serving.access.making import make_key
from tests.support.server_process import ServerProcess, write_model_config

PREDICT, HEALTH = "/v1/endpoints/1/deployedModels/2:predict", "/v1/endpoints/1/deployedModels/2"
ROUTES = {"AIP_HTTP_PORT": "8080", "AIP_PREDICT_ROUTE": PREDICT, "AIP_HEALTH_ROUTE": HEALTH, "AIP_MODE": "PREDICTION"}
ROWS = '{"instances": [1.0, 2.0]}'


@pytest.fixture(scope="module")
def server(model_config: Path) -> Iterator[ServerProcess]:
    """Several models, and the paths that Vertex AI chooses where nobody else does."""
    flags = ("--default_model=half_plus_three", f"--model_config_file={model_config}")
    with ServerProcess([*flags, "--allow_version_labels_for_unavailable_models"], environment=ROUTES) as running:
        yield running
    assert running.process.returncode == 0
    assert "Traceback" not in "".join(running.output)


def ask(server: ServerProcess, document: Any, path: str = PREDICT) -> tuple[int, Any]:
    """Status and document of an answer."""
    status, body = server.rest("POST", path, document if isinstance(document, str) else json.dumps(document))
    return status, json.loads(body)


def test_health(server: ServerProcess) -> None:
    """200 while every model serves."""
    assert server.rest("GET", HEALTH) == (200, b"")


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param({"instances": [1.0, 2.0]}, {"predictions": [3.5, 4.0]}, id="instances"),
        pytest.param({"instances": [{"x": 1.0}]}, {"predictions": [3.5]}, id="objects"),
        pytest.param({"instances": [1.0], "parameters": {}}, {"predictions": [3.5]}, id="no parameters"),
        pytest.param({"instances": [1.0], "parameters": None}, {"predictions": [3.5]}, id="null"),
        pytest.param(
            {"instances": [1.0], "parameters": {"confidenceThreshold": 0.5, "k": [1]}},
            {"predictions": [3.5]},
            id="others' parameters",
        ),
        pytest.param(
            {"instances": [1.0], "parameters": {"signature_name": "serving_default"}}, {"predictions": [3.5]}, id="name"
        ),
        pytest.param({"inputs": [1.0]}, {"outputs": [3.5]}, id="columns, for raw predictions"),
    ],
)
def test_predictions(server: ServerProcess, members: dict[str, Any], expected: Mapping[str, Any]) -> None:
    """Wherever parameters are, and whatever they are, the instances are answered."""
    assert ask(server, members) == (200, expected)
    assert ask(server, dict(reversed(members.items()))) == (200, expected)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        pytest.param({"instances": [1.0], "parameters": {"signature_name": "s"}}, '"s" not found in signature', id="s"),
        pytest.param({"parameters": {"signature_name": "s"}, "instances": [1.0]}, '"s" not found', id="s first"),
        pytest.param({"instances": [1.0], "parameters": [1]}, "parameters is no object", id="parameters"),
        pytest.param({"instances": [1.0], "parameters": {"signature_name": 1}}, "expected a string", id="name"),
        pytest.param({"instances": ["a"]}, "is not of expected type: float", id="type"),
        pytest.param({"parameters": {}}, "Missing 'inputs' or 'instances' key", id="no instances"),
        pytest.param("{", "JSON Parse error", id="no JSON"),
    ],
)
def test_refused(server: ServerProcess, document: Any, text: str) -> None:
    """Errors have one shape, which Vertex AI hands on."""
    status, answer = ask(server, document)
    assert (status, list(answer)) == (400, ["error"])
    assert text in answer["error"]


@pytest.mark.parametrize(("method", "path"), [("GET", PREDICT), ("POST", HEALTH), ("DELETE", PREDICT)])
def test_other_methods(server: ServerProcess, method: str, path: str) -> None:
    """Each path has one."""
    status, body = server.rest(method, path, b"" if method == "POST" else None)
    assert (status, f"was asked with {method}; expected" in json.loads(body)["error"]) == (405, True)


def test_the_rest_of_the_port(server: ServerProcess) -> None:
    """TensorFlow Serving's API is beside it."""
    assert ask(server, ROWS, "/v1/models/half_plus_three:predict") == (200, {"predictions": [3.5, 4.0]})
    assert server.rest("GET", "/v1/models/half_plus_three")[0] == 200


def test_compressed_and_large(server: ServerProcess) -> None:
    """Large bodies are read elsewhere than health is answered, compressed ones too."""
    rows = [0.25] * 200_000
    body = json.dumps({"instances": rows, "parameters": {"signature_name": "serving_default"}}).encode()
    for sent, headers in ((body, {}), (gzip.compress(body), {"Content-Encoding": "gzip"})):
        status, answer = server.rest("POST", PREDICT, sent, headers)
        assert (status, json.loads(answer)) == (200, {"predictions": [3.125] * len(rows)})


def test_routes_of_our_own(models: Path, tmp_path: Path) -> None:
    """A route of TensorFlow Serving's form says which model; slow calls hold up no health, signatures are chosen."""
    names = ("half_plus_three", "slow")
    config = write_model_config(tmp_path / "models.config", {name: models / name for name in names})
    route = "/v1/models/slow:predict"
    routes = {"AIP_PREDICT_ROUTE": route, "AIP_HEALTH_ROUTE": "/v1/models/slow"}
    document = {"instances": [3000.0], "parameters": {"signature_name": "wait"}}
    with ServerProcess([f"--model_config_file={config}"], environment=routes) as server, ThreadPoolExecutor(4) as pool:
        slow = [pool.submit(ask, server, document, route) for _ in range(4)]
        assert server.rest("GET", "/v1/models/slow") == (200, b"")
        assert ask(server, ROWS, "/v1/models/half_plus_three:predict") == (200, {"predictions": [3.5, 4.0]})
        assert not any(each.done() for each in slow)
        assert [each.result()[0] for each in slow] == [200] * 4


def test_a_directory_by_its_variable(models: Path, tmp_path: Path) -> None:
    """AIP_STORAGE_URI may be a directory; keys count, but not for health."""
    (version,) = (models / "half_plus_three").iterdir()
    shutil.copytree(version, tmp_path / "model" / "1")
    keys = str(tmp_path / "keys.json")
    key = make_key("caller", "predict", "", keys).key
    routes = {"AIP_PREDICT_ROUTE": "/predict", "AIP_HEALTH_ROUTE": "/health", "AIP_STORAGE_URI": f"{tmp_path}/model"}
    with ServerProcess([f"--api_keys_file={keys}"], environment=routes) as server:
        assert server.rest("GET", "/health") == (200, b"")
        assert server.rest("POST", "/predict", ROWS)[0] == 401
        assert server.rest("POST", "/predict", ROWS, {"X-API-Key": key})[0] == 200


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        pytest.param({"AIP_STORAGE_URI": "hdfs://h/model"}, "AIP_STORAGE_URI is hdfs://h/model, which", id="hdfs"),
        pytest.param({"AIP_HTTP_PORT": "http"}, "AIP_HTTP_PORT is http; expected a port from 1 to 65535", id="port"),
        pytest.param(
            {"AIP_PREDICT_ROUTE": "predict", "AIP_STORAGE_URI": "/models"},
            "--vertex_ai_predict_route is predict; expected a path, such as /predict",
            id="route",
        ),
    ],
)
def test_starts_that_fail(variables: Mapping[str, str], text: str) -> None:
    """The last line says which variable it was."""
    with ServerProcess((), wait=False, environment=variables) as server:
        assert server.wait() == 255
        assert "Failed to start server. Error: " in server.output[-1]
        assert text in server.output[-1]
