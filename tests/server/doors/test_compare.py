"""One input through two versions at a real server: their answers, how far they differ, and what goes wrong."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from serving.access.making import make_key
from tests.server.telemetry.metrics_page import PAGE
from tests.support.server_process import ServerProcess, wait_until, write_model_config

BODY = '{"instances": [3.0, -6.0]}'
OF_MODEL = "/v1/models/half_plus_two:compare"


@pytest.fixture(scope="module")
def shelf(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Base paths: ``mixed`` has versions of two models that take the same, ``mnist`` the same one twice."""
    directory = tmp_path_factory.mktemp("compared")
    for target, source in {
        "half_plus_two/123": "half_plus_two/123",
        "half_plus_two/124": "half_plus_two/124",
        "mixed/1": "half_plus_three/1",
        "mixed/2": "failing/1",
        "mnist/1": "mnist/1",
        "mnist/2": "mnist/1",
        "strings/1": "strings/1",
        "strings/2": "strings/1",
    }.items():
        shutil.copytree(models / source, directory / target, copy_function=os.link)
    return directory


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Keys by name, and the ``file`` that has them."""
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    made = {name: make_key(name, name, "", str(file)).key for name in ("predict", "read", "metrics")}
    return {**made, "file": str(file)}


@pytest.fixture(scope="module")
def server(shelf: Path, keys: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of all of them, with labels and with keys."""
    config = write_model_config(
        tmp_path_factory.mktemp("config") / "models.config",
        {path.name: path for path in shelf.iterdir()},
        labels={"half_plus_two": {"stable": 123, "canary": 124}},
    )
    flags = (f"--model_config_file={config}", f"--api_keys_file={keys['file']}", "--max_in_flight=2")
    with ServerProcess((*flags, "--allow_version_labels_for_unavailable_models")) as made:
        wait_until("all versions", lambda: all(served(made, keys["predict"], each) for each in shelf.glob("*/*")))
        yield made
    assert made.process.returncode == 0
    assert "Traceback" not in "".join(made.output)


def served(server: ServerProcess, key: str, version: Path) -> bool:
    """Whether a version is there: it says what is wrong with the body, and not that there is none."""
    path = f"/v1/models/{version.parent.name}/versions/{version.name}:predict"
    return server.rest("POST", path, "{}", {"x-api-key": key})[0] == 400


def compare(server: ServerProcess, key: str, query: str, body: str = BODY, path: str = OF_MODEL) -> tuple[int, Any]:
    """Status and document of a comparison."""
    status, answer = server.rest("POST", f"{path}?{query}", body, {"x-api-key": key})
    return status, json.loads(answer)


def test_two_versions(server: ServerProcess, keys: Mapping[str, str]) -> None:
    """Both answers are as Predict gives them, in the order of the query, with the largest difference by output."""
    status, answer = compare(server, keys["predict"], "versions=123,124")
    assert status == 200
    first, second = answer["answers"]
    assert (first["version"], first["predictions"]) == ("123", [3.5, -1.0])
    assert (second["version"], second["predictions"]) == ("124", [3.0, 0.0])
    assert min(first["seconds"], second["seconds"]) > 0
    assert answer["largest_difference"] == {"y": 1.0}
    assert (answer["not_compared"], answer["top_1_agreement"]) == ({}, None)


def test_two_labels(server: ServerProcess, keys: Mapping[str, str]) -> None:
    """They come with the versions that they are for, and columns are answered in columns."""
    status, answer = compare(server, keys["predict"], "labels=canary,stable", '{"inputs": [3.0]}')
    assert status == 200
    found = [(each["version"], each["label"], each["outputs"]) for each in answer["answers"]]
    assert found == [("124", "canary", [3.0]), ("123", "stable", [3.5])]


def test_classes_agree(server: ServerProcess, keys: Mapping[str, str]) -> None:
    """Of outputs with columns it is told in how many rows the same is the largest."""
    body = json.dumps({"instances": [[0.1] * 784, [0.9] * 784]})
    _, answer = compare(server, keys["predict"], "versions=1,2", body, "/v1/models/mnist:compare")
    assert answer["top_1_agreement"] == 1.0
    assert answer["largest_difference"] == {"digit": 0.0, "probabilities": pytest.approx(0, abs=1e-6)}


def test_strings_have_no_difference(server: ServerProcess, keys: Mapping[str, str]) -> None:
    """It is null, with the reason."""
    body = '{"signature_name": "plain", "instances": ["a"]}'
    _, answer = compare(server, keys["predict"], "versions=1,2", body, "/v1/models/strings:compare")
    assert answer["largest_difference"] == {"out": None}
    assert answer["not_compared"] == {"out": "strings are no numbers"}


@pytest.mark.parametrize(
    ("path", "query", "wrong"),
    [
        pytest.param(
            OF_MODEL,
            "versions=123,7",
            {"version": "7", "error": "Servable not found for request: Specific(half_plus_two, 7)"},
            id="no such version",
        ),
        pytest.param(
            OF_MODEL,
            "labels=stable,none",
            {"label": "none", "error": "Unrecognized servable version label: none"},
            id="no such label",
        ),
    ],
)
def test_one_of_them_is_missing(
    server: ServerProcess, keys: Mapping[str, str], path: str, query: str, wrong: object
) -> None:
    """The other one's answer is there, and why there is no difference."""
    status, answer = compare(server, keys["predict"], query, path=path)
    assert status == 200
    assert answer["answers"][0]["predictions"] == [3.5, -1.0]
    assert answer["answers"][1] == wrong
    assert answer["largest_difference"] is None


def test_one_of_them_refuses(server: ServerProcess, keys: Mapping[str, str]) -> None:
    """Its error is the model's own."""
    status, answer = compare(server, keys["predict"], "versions=1,2", path="/v1/models/mixed:compare")
    assert status == 200
    assert "x must not be negative" in answer["answers"][1]["error"]


@pytest.mark.parametrize(
    ("query", "body", "status", "text"),
    [
        pytest.param("versions=123,124", "{", 400, "JSON Parse error", id="no JSON"),
        pytest.param("versions=7,8", BODY, 404, "Specific(half_plus_two, 7); Servable not found", id="neither"),
        pytest.param("versions=123", BODY, 400, "versions is '123'; expected two", id="one"),
        pytest.param("versions=1,x", BODY, 400, "'x' is no version; expected a number", id="no number"),
        pytest.param("version=1,2", BODY, 400, "The query is 'version=1,2'; expected ?versions=1,2", id="query"),
    ],
)
def test_errors(server: ServerProcess, keys: Mapping[str, str], query: str, body: str, status: int, text: str) -> None:
    """What is wrong for both is the status of the answer."""
    found, answer = compare(server, keys["predict"], query, body)
    assert (found, text in answer["error"]) == (status, True), answer


def test_rights(server: ServerProcess, keys: Mapping[str, str]) -> None:
    """It needs those of Predict."""
    assert server.rest("POST", f"{OF_MODEL}?versions=123,124", BODY)[0] == 401
    assert compare(server, keys["read"], "versions=123,124")[0] == 403


def test_each_is_counted_as_a_predict(server: ServerProcess, keys: Mapping[str, str]) -> None:
    """A comparison is two requests for the model, answered or not."""

    def counted(status: str) -> int:
        page = server.rest("GET", PAGE, headers={"x-api-key": keys["metrics"]})[1].decode()
        line = f':tensorflow:serving:request_count{{model_name="half_plus_two",status="{status}"}} '
        return sum(int(each.removeprefix(line)) for each in page.splitlines() if each.startswith(line))

    before = counted("OK"), counted("NOT_FOUND")
    compare(server, keys["predict"], "versions=123,124")
    compare(server, keys["predict"], "versions=123,7")
    assert (counted("OK") - before[0], counted("NOT_FOUND") - before[1]) == (3, 1)
