"""Documents of models of every kind: pictures and other strings, tables, what keeps state, TensorFlow Lite, bundles."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import made_by
from tests.support.server_process import ServerProcess, write_model_config

OTHERS = ("keras", "archive", "counter", "estimator", "vocabulary", "asserting", "partly", "strings")
PICTURES = ("jpeg", "png", "bmp", "gif", "any", "cropped", "zipped")


@pytest.fixture(scope="module")
def server(
    other_kinds: Path, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server of all these models."""
    directory = made_by(Path(__file__).with_name("make_qualifying.py"), pytestconfig, tmp_path_factory)
    own = tmp_path_factory.mktemp("documents")
    paths = {name: directory / name for name in OTHERS} | {"lite": own / "lite", "bundle": other_kinds / "tutorial"}
    (own / "lite" / "1").mkdir(parents=True)
    shutil.copy(other_kinds / "pair.tflite", own / "lite" / "1" / "model.tflite")
    config = write_model_config(own / "models.config", paths)
    with ServerProcess((f"--model_config_file={config}", "--prefer_tflite_model")) as running:
        yield running


def document(server: ServerProcess, model: str) -> Any:
    status, body = server.rest("GET", f"/openapi/models/{model}.json")
    assert status == 200, body
    return json.loads(body)


def examples(made: Any) -> dict[tuple[str, str], Any]:
    """By the method and the name of each example its body."""
    found = {}
    for path, item in made["paths"].items():
        content = item.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        for name, example in content.get("examples", {}).items():
            found[path, name] = example["value"]
    return found


MODELS = (*OTHERS, "lite", "bundle")


@pytest.mark.parametrize("model", MODELS)
def test_every_example_is_answered(server: ServerProcess, model: str) -> None:
    """There are some, and each is sent as it is."""
    found = examples(document(server, model))
    assert found
    for (path, name), body in found.items():
        status, answer = server.rest("POST", path, json.dumps(body))
        assert status == 200, f"{name}: {answer!r}"


def test_pictures(server: ServerProcess) -> None:
    """What decodes pictures is given one, in base64, and the schema says that it takes bytes."""
    made = document(server, "strings")
    names = {name for _, name in examples(made)}
    assert {f"{each.capitalize()}Rows" for each in PICTURES} <= names
    rows = made["components"]["schemas"]["JpegRowsRequest"]["properties"]["instances"]
    assert rows["items"] == {"$ref": "#/components/schemas/Base64"}
    words = made["components"]["schemas"]["WordsRowsRequest"]["properties"]["instances"]
    assert words["items"] == {"anyOf": [{"type": "string"}, {"$ref": "#/components/schemas/Base64"}]}


def test_a_signature_with_state_is_not_tried(server: ServerProcess) -> None:
    """One that counts its calls is described, and without an example; the others have theirs."""
    made = document(server, "counter")
    assert {name for _, name in examples(made)} == {"ServingDefaultRows", "ServingDefaultColumns", "ServingDefault"}
    assert {"IncrementColumnsRequest", "ReadRowsRequest"} <= set(made["components"]["schemas"])


def test_features_of_examples(server: ServerProcess) -> None:
    """They are those that the graph parses, of its types and sizes."""
    shown = examples(document(server, "estimator"))["/v1/models/estimator:classify", "ServingDefault"]
    assert shown == {"examples": [{"word": ["the"], "x": [0.5, 0.125, 0.25, 0.375]}]}


def test_a_scalar_output_has_no_rows(server: ServerProcess) -> None:
    """Predict in rows would refuse it."""
    names = {name for _, name in examples(document(server, "estimator"))}
    assert "PredictColumns" in names
    assert "PredictRows" not in names


def test_a_bundle_has_a_signature_for_tensors_and_one_for_examples(server: ServerProcess) -> None:
    """By the same name: Predict takes the one, Regress the other."""
    shown = examples(document(server, "bundle"))
    assert shown["/v1/models/bundle:predict", "ServingDefaultRows"] == {"instances": [0.512]}
    assert shown["/v1/models/bundle:regress", "ServingDefault"] == {"examples": [{"x": [0.5]}]}
