"""SageMaker's paths on the REST port: bodies, answers, models by header, and what they leave alone."""

import gzip
import io
import json
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.server.doors.clients import floats
from tests.server.doors.conftest import Servers, all_available
from tests.support.raw import RawConnection, Response, request
from tests.support.server_process import ServerProcess, wait_until, write_model_config

JSON, LINES, CSV, NPY = "application/json", "application/jsonlines", "text/csv", "application/x-npy"
MANY = 200_000


@pytest.fixture(scope="module")
def server(model_config: Path) -> Iterator[ServerProcess]:
    """Several models, one of them the default, and two threads for slow ones."""
    flags = ("--sagemaker", "--default_model=half_plus_three", f"--model_config_file={model_config}")
    with ServerProcess([*flags, "--allow_version_labels_for_unavailable_models"]) as running:
        yield running
    assert running.process.returncode == 0
    assert "Traceback" not in "".join(running.output)


def ask(
    server: ServerProcess,
    body: bytes | str,
    content_type: str = JSON,
    *,
    accept: str | None = None,
    attributes: str = "",
    path: str = "/invocations",
    method: str = "POST",
    more: tuple[str, ...] = (),
) -> Response:
    """One request on a connection of its own."""
    lines = [f"Content-Type: {content_type}"] if content_type else []
    lines += [] if accept is None else [f"Accept: {accept}"]
    lines += [f"X-Amzn-SageMaker-Custom-Attributes: {attributes}"] if attributes else []
    with RawConnection(server.rest_port) as connection:
        connection.send(request(method, path, body.encode() if isinstance(body, str) else body, *lines, *more))
        return connection.response()


def predictions(response: Response) -> Any:
    """What a good answer in JSON has."""
    assert response.status == 200, response.body
    assert list(response.json) == ["predictions"]
    return response.json["predictions"]


def refusal(response: Response) -> tuple[int, str]:
    """Status and text of an error, which has one shape."""
    assert response.headers["content-type"] == JSON
    assert list(response.json) == ["error"]
    return response.status, response.json["error"]


def npy(*values: float) -> bytes:
    """An array as numpy.save writes it."""
    file = io.BytesIO()
    np.save(file, floats(*values))
    return file.getvalue()


def test_ping(server: ServerProcess) -> None:
    """An empty 200 while every model serves, with a query or without."""
    for path in ("/ping", "/ping?a=b"):
        assert server.rest("GET", path) == (200, b"")


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        pytest.param(JSON, '{"instances": [1.0, 2.0]}', [3.5, 4.0], id="rows"),
        pytest.param("", '{"instances": [1.0, 2.0]}', [3.5, 4.0], id="without a type"),
        pytest.param("Application/JSON; charset=utf-8", '{"instances": [1.0]}', [3.5], id="type with a parameter"),
        pytest.param(JSON, "1.0", [3.5], id="a value"),
        pytest.param(JSON, "[1.0, 2.0]", [[3.5, 4.0]], id="a list, which is one instance"),
        pytest.param(JSON, "[[1.0], [2.0]]", [[3.5], [4.0]], id="a list of lists"),
        pytest.param(JSON, '{"x": 1.0}', [3.5], id="an object"),
        pytest.param(JSON, '[{"x": 1.0}, {"x": 2.0}]', [3.5, 4.0], id="a list of objects"),
        pytest.param(JSON, "[1.0]\n[2.0]\n", [[3.5], [4.0]], id="lines as JSON"),
        pytest.param(LINES, "1.0\n2.0\n", [3.5, 4.0], id="lines of values"),
        pytest.param(LINES, '{"x": 1.0}\n\n{"x": 2.0}\r\n', [3.5, 4.0], id="lines of objects"),
        pytest.param(LINES, '{"instances": [1.0]}', [3.5], id="one line that is a request"),
        pytest.param("application/jsons", "[1.0]\n[2.0]", [[3.5], [4.0]], id="the other name of lines"),
        pytest.param(CSV, "1.0\n2.0\n", [3.5, 4.0], id="CSV with one field"),
        pytest.param(CSV, "1,3\r\n2,4\r\n", [[3.5, 4.5], [4.0, 5.0]], id="CSV with several"),
        pytest.param(NPY, npy(1, 2), [3.5, 4.0], id="npy"),
    ],
)
def test_bodies(server: ServerProcess, content_type: str, body: bytes | str, expected: list[Any]) -> None:
    """Whatever the body is, the answer is rows in JSON."""
    response = ask(server, body, content_type)
    assert response.headers["content-type"] == JSON
    assert predictions(response) == expected


def test_columns(server: ServerProcess) -> None:
    """TensorFlow Serving's other layout is answered as there."""
    assert ask(server, '{"inputs": [1.0, 2.0]}').json == {"outputs": [3.5, 4.0]}


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("application/json", JSON),
        ("*/*", JSON),
        ("text/csv", JSON),
        ("application/jsonlines", LINES),
        ("text/html, application/jsons", "application/jsons"),
        ("application/json;q=0.5, application/jsonlines", LINES),
    ],
)
def test_answers_in_json(server: ServerProcess, accept: str, answered: str) -> None:
    """Lines are the answer without line breaks; what is not written is answered in JSON."""
    response = ask(server, "1\n2", CSV, accept=accept)
    assert (response.headers["content-type"], predictions(response)) == (answered, [3.5, 4.0])
    assert (b"\n" in response.body) is (answered == JSON)


@pytest.mark.parametrize("content_type", [JSON, LINES, CSV, NPY])
def test_answers_as_an_array(server: ServerProcess, content_type: str) -> None:
    """For any body of a model with one output."""
    body = npy(1, 2) if content_type == NPY else '{"inputs": [1, 2]}' if content_type == JSON else "1\n2"
    response = ask(server, body, content_type, accept=NPY)
    assert (response.status, response.headers["content-type"]) == (200, NPY)
    assert np.load(io.BytesIO(response.body)).tolist() == [3.5, 4.0]


@pytest.mark.parametrize(
    ("attributes", "target"),
    [
        pytest.param("tfs-model-name=half_plus_two", "half_plus_two", id="model"),
        pytest.param("tfs-model-name=half_plus_two,tfs-method=predict", "half_plus_two", id="method"),
        pytest.param("trace=1, tfs-model-name=half_plus_two", "half_plus_two", id="others"),
        pytest.param("trace=1", "half_plus_three", id="others alone"),
        pytest.param("tfs-model-name=labels,tfs-model-version=1", "labels/versions/1", id="version"),
        pytest.param("tfs-model-version=2,tfs-model-name=labels", "labels/versions/2", id="version first"),
    ],
)
def test_models_by_header(server: ServerProcess, attributes: str, target: str) -> None:
    """The default is for requests that name none."""
    body = '{"instances": [1.0, 2.0]}'
    assert predictions(ask(server, body, attributes=attributes)) == server_predictions(server, target, body)


def server_predictions(server: ServerProcess, target: str, body: str) -> Any:
    """What TensorFlow Serving's own API answers."""
    status, answer = server.rest("POST", f"/v1/models/{target}:predict", body)
    assert status == 200, answer
    return json.loads(answer)["predictions"]


@pytest.mark.parametrize("method", ["classify", "regress"])
def test_examples(server: ServerProcess, method: str) -> None:
    """The other methods answer as TensorFlow Serving's API does, errors included."""
    body = '{"examples": [{"v": 1.0}, {"v": 2.0}]}'
    response = ask(server, body, attributes=f"tfs-model-name=classifier,tfs-method={method}")
    assert (response.status, response.body) == server.rest("POST", f"/v1/models/classifier:{method}", body)


def test_strings_in_csv(server: ServerProcess) -> None:
    """The signature says that they are strings, digits too."""
    found = predictions(ask(server, '1\n"a,b"', CSV, attributes="tfs-model-name=strings"))
    assert [each["out"] for each in found] == ["1", "a,b"]


@pytest.mark.parametrize(
    ("content_type", "body", "attributes", "status", "text"),
    [
        pytest.param("image/png", "x", "", 415, "Unsupported Media Type: image/png; expected one of", id="type"),
        pytest.param(CSV, "a,b\n1,2", "", 400, 'Field 1 of line 1 of the CSV body is "a"', id="header"),
        pytest.param(LINES, "[1]\n[2", "", 400, "Line 2 of the body is no JSON: [2; expected one value", id="line"),
        pytest.param(JSON, "[1][2]", "", 400, "The body is no JSON: [1][2]", id="JSON"),
        pytest.param(JSON, '{"instances": "x"}', "", 400, "Expecting 'instances' to be an list/array", id="rows"),
        pytest.param(NPY, "x", "", 400, "expected an array as numpy.save", id="npy"),
        pytest.param(CSV, "1", "tfs-model-name=nope", 404, "Servable not found for request: Latest(nope)", id="model"),
        pytest.param(
            CSV, "1", "tfs-method=explain", 400, "tfs-method is explain; expected one of predict", id="method"
        ),
        pytest.param(CSV, "1", "tfs-model-version=x", 400, "tfs-model-version is x; expected the number", id="version"),
        pytest.param(CSV, "1", "tfs-model-version=9", 404, "Specific(half_plus_three, 9)", id="no such version"),
        pytest.param(CSV, "1", "tfs-method=classify", 400, "takes examples in application/json", id="CSV examples"),
        pytest.param(CSV, "1", "tfs-model-name=multi", 400, "the signature has the inputs {a,b}", id="inputs"),
    ],
)
def test_refused(server: ServerProcess, content_type: str, body: str, attributes: str, status: int, text: str) -> None:
    """Errors have one shape, whatever Accept says, and say what was expected."""
    found = refusal(ask(server, body, content_type, attributes=attributes, accept=NPY))
    assert (found[0], text in found[1]) == (status, True), found


@pytest.mark.parametrize(("method", "path"), [("POST", "/ping"), ("GET", "/invocations"), ("DELETE", "/invocations")])
def test_other_methods(server: ServerProcess, method: str, path: str) -> None:
    """The error names the one that is expected."""
    status, text = refusal(ask(server, "", method=method, path=path))
    assert (status, f"{path} was asked with {method}; expected" in text) == (405, True)


def test_the_rest_of_the_port(server: ServerProcess) -> None:
    """TensorFlow Serving's API and the probes are there, and a model's paths are not."""
    assert server_predictions(server, "half_plus_three", '{"instances": [1.0]}') == [3.5]
    assert server.rest("GET", "/healthz/ready")[0] == 200
    assert server.rest("GET", "/models")[0] == 404


def test_off_by_default(servers: Servers) -> None:
    """Nobody else has these paths."""
    for method, path in (("GET", "/ping"), ("POST", "/invocations"), ("GET", "/models")):
        status, body = servers("grpcio").rest(method, path, b"" if method == "POST" else None)
        assert (status, b"<HTML>" in body) == (404, True)


def test_slow_models_hold_up_no_ping(server: ServerProcess) -> None:
    """Calls that run for seconds, more than there are threads in the event loop, leave probes and others alone."""
    body, attributes = '{"signature_name": "wait", "instances": [3000.0]}', "tfs-model-name=slow"
    with ThreadPoolExecutor(4) as pool:
        slow = [pool.submit(ask, server, body, attributes=attributes) for _ in range(4)]
        assert server.rest("GET", "/ping") == (200, b"")
        assert predictions(ask(server, "1", CSV)) == [3.5]
        assert not any(each.done() for each in slow)
        assert [each.result().status for each in slow] == [200] * 4


@pytest.mark.parametrize(
    ("content_type", "line"),
    [(CSV, "0.25,1\n"), (LINES, "[0.25, 1]\n"), (JSON, "[0.25,1],")],
    ids=["CSV", "lines", "JSON"],
)
def test_large_bodies(server: ServerProcess, content_type: str, line: str) -> None:
    """They are read elsewhere than probes are answered, and read right."""
    body = line * MANY if content_type != JSON else f"[{(line * MANY)[:-1]}]"
    response = ask(server, body, content_type, accept=NPY)
    assert response.status == 200, response.body
    assert np.load(io.BytesIO(response.body)).tolist() == [[3.125, 3.5]] * MANY


def test_compressed(server: ServerProcess) -> None:
    """As TensorFlow Serving takes its own bodies."""
    response = ask(server, gzip.compress(b"1\n2"), CSV, more=("Content-Encoding: gzip",))
    assert predictions(response) == [3.5, 4.0]


def test_started_as_sagemaker_does(models: Path, tmp_path: Path) -> None:
    """`serve`, and a model where estimators put it: found, named after its directory, in all its versions."""
    (version,) = (models / "half_plus_three").iterdir()
    for number in (1, 2):
        shutil.copytree(version, tmp_path / "export" / "Servo" / str(number))
    command = (sys.executable, "-m", "serving", "serve", f"--sagemaker_model_directory={tmp_path}")
    with ServerProcess((), command=command, environment={"SAGEMAKER_BIND_TO_PORT": "9999"}) as server:
        assert server.rest("GET", "/ping")[0] == 200
        assert predictions(ask(server, "1", CSV)) == [3.5]
        wait_until("both versions are there", lambda: all_available(server))
        for number in (1, 2):
            attributes = f"tfs-model-name=Servo,tfs-model-version={number}"
            assert predictions(ask(server, "1", CSV, attributes=attributes)) == [3.5]


def test_several_models_and_no_default(models: Path, tmp_path: Path) -> None:
    """A request must say which; the error says how."""
    names = ("half_plus_three", "multi")
    config = write_model_config(tmp_path / "models.config", {name: models / name for name in names})
    with ServerProcess([f"--model_config_file={config}", "--sagemaker"]) as server:
        status, text = refusal(ask(server, "1", CSV))
        assert status == 400
        assert "tfs-model-name=… in x-amzn-sagemaker-custom-attributes, or a server with --default_model" in text
        assert predictions(ask(server, "1", CSV, attributes="tfs-model-name=half_plus_three")) == [3.5]
        status, text = refusal(ask(server, '{"examples": []}', attributes="tfs-method=regress"))
        assert (status, "names no model" in text) == (400, True)
