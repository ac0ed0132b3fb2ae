"""The kinds of models beside one another in a real server, as clients see them."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.protos import PredictRequest, PredictResponse
from tests.support.server_process import ServerProcess, write_model_config


@pytest.fixture(scope="module")
def server(other_kinds: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of a TensorFlow Lite file with a SavedModel beside it, a SessionBundle, and a SavedModel."""
    directory = tmp_path_factory.mktemp("kinds")
    shutil.copytree(models / "half_plus_three" / "1", directory / "lite" / "1")
    shutil.copy(other_kinds / "half_plus_two.tflite", directory / "lite" / "1" / "model.tflite")
    base_paths = {
        "lite": directory / "lite",
        "bundle": other_kinds / "tutorial",
        "saved": models / "half_plus_three",
    }
    config = write_model_config(directory / "models.config", base_paths)
    with ServerProcess([f"--model_config_file={config}", "--prefer_tflite_model"]) as running:
        yield running


def post(server: ServerProcess, target: str, body: Any) -> Any:
    """The JSON of an answer that must be 200."""
    status, answer = server.rest("POST", f"/v1/models/{target}", json.dumps(body))
    assert status == 200, answer
    return json.loads(answer)


@pytest.mark.parametrize(
    ("model", "predictions"),
    [
        pytest.param("lite", [2.5, 3.0, 4.5], id="TensorFlow Lite"),
        pytest.param("bundle", [2.5, 3.0, 4.5], id="SessionBundle"),
        pytest.param("saved", [3.5, 4.0, 5.5], id="SavedModel"),
    ],
)
def test_each_kind_predicts_over_rest(server: ServerProcess, model: str, predictions: list[float]) -> None:
    """The default signature of each model takes a list of numbers; the preferred file hides the SavedModel."""
    assert post(server, f"{model}:predict", {"instances": [1.0, 2.0, 5.0]}) == {"predictions": predictions}


@pytest.mark.parametrize(
    ("model", "given", "made"),
    [
        pytest.param("lite", "serving_default_x", "PartitionedCall", id="TensorFlow Lite"),
        pytest.param("bundle", "x", "y", id="SessionBundle"),
    ],
)
def test_each_kind_predicts_over_grpc(server: ServerProcess, model: str, given: str, made: str) -> None:
    """Predict without a signature name answers with the same numbers."""
    request = PredictRequest()
    request.model_spec.name = model
    request.inputs[given].dtype = 1
    request.inputs[given].tensor_shape.dim.add(size=2)
    request.inputs[given].float_val.extend([1.0, 5.0])
    with server.channel() as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        response = PredictResponse.FromString(call(request.SerializeToString()))
    assert list(response.outputs[made].float_val) == [2.5, 4.5]


def test_session_bundle_regresses(server: ServerProcess) -> None:
    """The default signature takes Examples for Regress."""
    assert post(server, "bundle:regress", {"examples": [{"x": 3.0}, {"x": 4.0}]}) == {"results": [3.5, 4.0]}


def test_metadata_shows_both_default_signatures(server: ServerProcess) -> None:
    """A SessionBundle's metadata lists the default signature for Examples and the pair for tensors."""
    status, answer = server.rest("GET", "/v1/models/bundle/metadata")
    signatures = json.loads(answer)["metadata"]["signature_def"]["signature_def"]
    assert status == 200
    assert signatures["serving_default"]["method_name"] == "tensorflow/serving/regress"
    assert list(signatures["predict"]["inputs"]) == ["x"]


def test_library_that_cannot_be_loaded_ends_the_start(models: Path, tmp_path: Path) -> None:
    """A wrong --custom_op_libraries is a start error that names the file."""
    library = tmp_path / "absent.so"
    flags = [f"--model_base_path={models / 'half_plus_three'}", f"--custom_op_libraries={library}"]
    with ServerProcess(flags, wait=False) as server:
        assert server.wait() == 255
    assert f"Failed to start server. Error: NOT_FOUND: Custom operations: {library} is not a file\n" in server.output


def test_libraries_write_no_lines_of_their_own(server: ServerProcess) -> None:
    """TensorFlow Lite's tells of its delegate, in a format of its own."""
    post(server, "lite:predict", {"instances": [1.0]})
    log = "".join(server.output).partition("Serving over ")[0]
    assert [line for line in log.splitlines() if "] " not in line[:80]] == []
