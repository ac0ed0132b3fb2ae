"""The OpenAPI documents of a running server: where they are, what they say of its models, and that it is true."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.access.making import make_key
from tests.server.doors.conftest import SERVED, Servers
from tests.support.server_process import ServerProcess, write_model_config

VERSIONS = [
    *(f"/openapi/models/{name}.json" for name in SERVED),
    "/openapi/models/half_plus_two/versions/123.json",
    "/openapi/models/labels/labels/stable.json",
]


@pytest.fixture(scope="module")
def server(servers: Servers) -> ServerProcess:
    """The server of all tests of doors."""
    return servers("native")


def document(server: ServerProcess, path: str, **headers: str) -> Any:
    status, body = server.rest("GET", path, headers=headers)
    assert status == 200, body
    return json.loads(body)


def examples(made: Any) -> Iterator[tuple[str, str, Any]]:
    """Each example of a document: its path, its name and the body."""
    for path, item in made["paths"].items():
        content = item.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        for name, example in content.get("examples", {}).items():
            yield path, name, example["value"]


@pytest.mark.parametrize("path", VERSIONS)
def test_every_example_is_answered(server: ServerProcess, path: str) -> None:
    """Sent as it is, with 200."""
    for called, name, body in examples(document(server, path)):
        status, answer = server.rest("POST", called, json.dumps(body))
        assert status == 200, f"{name}: {answer!r}"


@pytest.mark.parametrize(
    ("model", "rows", "columns"),
    [
        ("half_plus_three", {"ServingDefault"}, {"ServingDefault"}),
        ("strings", {"ServingDefault", "Bytes", "Length", "Plain"}, {"ServingDefault", "Bytes", "Length", "Plain"}),
        ("multi", {"ServingDefault", "Uneven", "WithDefault"}, {"ServingDefault", "Uneven", "WithDefault", "Scalar"}),
        ("slow", set(), set()),
        ("failing", {"ServingDefault"}, {"ServingDefault"}),
    ],
)
def test_examples(server: ServerProcess, model: str, rows: set[str], columns: set[str]) -> None:
    """There is one for each form that a signature has; none for signatures that keep state, as a clock does."""
    made = document(server, f"/openapi/models/{model}.json")
    expected = {f"{each}Rows" for each in rows} | {f"{each}Columns" for each in columns}
    assert {name for path, name, _ in examples(made) if path.endswith(":predict")} == expected
    assert {name for path, name, _ in examples(made) if path.endswith("/infer")} == columns


def test_tf_examples(server: ServerProcess) -> None:
    """Classify and Regress are shown with the features that the graph parses."""
    shown = {(path.rpartition(":")[2], name): body for path, name, body in examples(document(server, VERSIONS[0]))}
    assert shown["classify", "ClassifyXToY"] == {
        "signature_name": "classify_x_to_y",
        "examples": [{"x": [0.5], "x2": [0.5]}],
    }
    assert ("regress", "RegressX2ToY3") not in shown  # it takes numbers


def test_a_version_of_its_own(server: ServerProcess) -> None:
    """The document says which version it is, and its paths are those of the address."""
    made = document(server, "/openapi/models/half_plus_two/versions/123.json")
    assert made["info"]["version"] == "123"
    starts = ("/v1/models/half_plus_two/versions/123", "/v2/models/half_plus_two/versions/123")
    assert all(each.startswith(starts) for each in made["paths"])
    labelled = document(server, "/openapi/models/labels/labels/canary.json")
    assert labelled["info"]["version"] == "2"
    assert {"/v1/models/labels/labels/canary:predict", "/v2/models/labels/versions/canary/infer"} <= set(
        labelled["paths"]
    )


def test_the_document_of_the_server(server: ServerProcess) -> None:
    """Models by name, probes, metrics and the documents themselves."""
    made = document(server, "/openapi.json")
    (model,) = made["paths"]["/v1/models/{model}"]["parameters"]
    assert {each["value"] for each in model["examples"].values()} == set(SERVED)
    assert {"/metrics", "/healthz/ready", "/openapi/models/{model}.json", "/v1/models"} <= set(made["paths"])
    assert "security" not in str(made)


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/openapi/models/none.json", 404, "Servable not found for request: Latest(none)"),
        ("GET", "/openapi/models/labels/versions/9.json", 404, "Servable not found for request: Specific(labels, 9)"),
        ("GET", "/openapi/models/labels/labels/x.json", 400, "Unrecognized servable version label: x"),
        ("GET", "/openapi/models/labels", 404, "There is no document at /openapi/models/labels; expected "),
        ("GET", "/openapi/models/labels/versions/x.json", 404, "There is no document at "),
        ("POST", "/openapi.json", 400, "Malformed request: POST /openapi.json; expected GET or HEAD"),
        ("DELETE", VERSIONS[0], 400, f"Malformed request: DELETE {VERSIONS[0]}; expected GET or HEAD"),
        ("GET", "/v1/models/multi/openapi.json", 400, "Malformed request: GET /v1/models/multi/openapi.json"),
    ],
)
def test_errors(server: ServerProcess, method: str, path: str, status: int, text: str) -> None:
    """They are those of the API; nothing below /v1/ is answered otherwise than before."""
    answered, body = server.rest(method, path)
    assert answered == status
    assert json.loads(body)["error"].startswith(text)


@pytest.mark.parametrize("path", ["/openapi", "/openapi.jso", "/openapi/", "/openapi.json/x"])
def test_other_paths(server: ServerProcess, path: str) -> None:
    """They are the page that TensorFlow Serving has for them."""
    status, body = server.rest("GET", path)
    assert (status, body[:6]) == (404, b"<HTML>")


@pytest.mark.parametrize(
    "path", ["/openapi.json", "/openapi.json?x=1", VERSIONS[0], "/openapi/models/half%5Fplus_two.json"]
)
def test_heads_and_queries(server: ServerProcess, path: str) -> None:
    """A query is passed over, names are percent-decoded, and the head can be asked for alone."""
    assert server.rest("HEAD", path) == (200, b"")
    assert document(server, path)["openapi"] == "3.1.0"


def test_what_is_tried_is_not_counted(models: Path, tmp_path: Path) -> None:
    """The metrics know of the documents that were asked for, and of no request that nobody has sent."""
    config = write_model_config(tmp_path / "models.config", {"multi": models / "multi"})
    with ServerProcess((f"--model_config_file={config}",)) as fresh:
        document(fresh, "/openapi/models/multi.json")
        page = fresh.rest("GET", "/metrics")[1].decode()
    assert ':tensorflow:serving:request_count{model_name="multi",status="OK"} 1' in page
    assert ":tensorflow:serving:runtime_latency_count{" not in page


@pytest.fixture(scope="module")
def keyed(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, dict[str, str]]]:
    """A server with keys: one to read, one to predict, and one to read a model alone."""
    path = tmp_path_factory.mktemp("keys")
    rights = {"read": ("read", ""), "predict": ("predict", ""), "three": ("read", "half_plus_three")}
    keys = {name: make_key(name, right, only, str(path / "keys")).key for name, (right, only) in rights.items()}
    names = ("half_plus_three", "multi")
    config = write_model_config(path / "models.config", {name: models / name for name in names})
    with ServerProcess((f"--model_config_file={config}", f"--api_keys_file={path / 'keys'}")) as running:
        yield running, keys


@pytest.mark.parametrize(
    ("name", "path", "status"),
    [
        ("read", "/openapi.json", 200),
        ("read", "/openapi/models/multi.json", 200),
        ("three", "/openapi.json", 200),
        ("three", "/openapi/models/half_plus_three.json", 200),
        ("three", "/openapi/models/multi.json", 403),
        ("predict", "/openapi.json", 403),
        ("predict", "/openapi/models/multi.json", 403),
        ("", "/openapi.json", 401),
        ("", "/openapi/models/multi.json", 401),
    ],
)
def test_who_may_read(keyed: tuple[ServerProcess, dict[str, str]], name: str, path: str, status: int) -> None:
    """Who may read metadata."""
    server, keys = keyed
    assert server.rest("GET", path, headers={"X-Api-Key": keys[name]} if name else {})[0] == status


def test_only_own_models_are_listed(keyed: tuple[ServerProcess, dict[str, str]]) -> None:
    """And the document says that keys are needed."""
    server, keys = keyed
    made = document(server, "/openapi.json", authorization=f"Bearer {keys['three']}")
    assert "multi" not in json.dumps(made)
    assert made["paths"]["/v1/models"]["get"]["security"] == [{"bearer": ["read"]}, {"api_key": ["read"]}]
