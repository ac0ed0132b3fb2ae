"""Every call of both clients against a running server, over both of its gRPC transports."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.client import (
    CLASSIFY,
    REGRESS,
    Client,
    ModelConfig,
    Prediction,
    Task,
    TensorInfo,
    VersionStatus,
    example,
)
from tests.server.client.conftest import Ask
from tests.support.server_process import ServerProcess, wait_until

EXAMPLES = ({"x": 1.0}, example({"x": [4.0]}))
"""The same feature as a mapping and as a serialised tf.Example."""


def test_predict_with_a_list(ask: Ask) -> None:
    """A list of Python floats is what a float model takes."""
    outputs = ask("predict", "half_plus_three", {"x": [1.0, 2.0, 5.0]})
    assert outputs["y"].tolist() == [3.5, 4.0, 5.5]
    assert outputs["y"].dtype == np.float32


def test_prediction_says_who_answered(ask: Ask) -> None:
    """Model, version and signature are those of the response."""
    outputs = ask("predict", "half_plus_three", {"x": [1.0]})
    assert isinstance(outputs, Prediction)
    assert (outputs.model, outputs.version, outputs.signature) == ("half_plus_three", 1, "serving_default")


@pytest.mark.parametrize(
    ("signature", "array"),
    [
        pytest.param("float", np.array([1.5, -np.inf], np.float32), id="float32"),
        pytest.param("double", np.array([0.1]), id="float64"),
        pytest.param("half", np.array([0.5], np.float16), id="float16"),
        pytest.param("int64", np.array([-(2**63), 2**63 - 1]), id="int64"),
        pytest.param("int8", np.array([-128], np.int8), id="int8"),
        pytest.param("uint8", np.array([255], np.uint8), id="uint8"),
        pytest.param("bool", np.array([True, False]), id="bool"),
        pytest.param("complex64", np.array([1 + 2j], np.complex64), id="complex64"),
        pytest.param("string", np.array([b"", b"\xff\0"], object), id="string"),
    ],
)
def test_predict_gives_back_what_it_got(ask: Ask, signature: str, array: np.ndarray[Any, Any]) -> None:
    """Through an identity every type comes back as it went."""
    output = ask("predict", "dtypes", {"x": array}, signature=signature)["y"]
    assert (output.dtype, output.tolist()) == (array.dtype, array.tolist())


def test_output_filter(ask: Ask) -> None:
    """Only the outputs that are named come back."""
    given = {"a": [[1.0, 2.0]], "b": [10]}
    assert set(ask("predict", "multi", given)) == {"sum", "b2"}
    filtered = ask("predict", "multi", given, output_filter=["sum"])
    assert {name: output.tolist() for name, output in filtered.items()} == {"sum": [[11.0, 12.0]]}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        pytest.param({}, 3, id="the newest"),
        pytest.param({"version": 2}, 2, id="version"),
        pytest.param({"label": "stable"}, 1, id="label"),
        pytest.param({"label": "canary"}, 2, id="another label"),
    ],
)
def test_versions_are_chosen(ask: Ask, choice: dict[str, Any], expected: int) -> None:
    """Each version adds its number, and says it."""
    outputs = ask("predict", "labels", {"x": [10.0]}, **choice)
    assert (outputs["y"].tolist(), outputs.version) == ([10.0 + expected], expected)


def test_classify(ask: Ask) -> None:
    """A list of classes for each example, in the model's order."""
    classified = ask("classify", "classifier", [{"v": 1.0}, {"v": [2.0]}])
    assert classified == [
        [("low", 1.0), ("mid", 0.5), ("high", 0.25)],
        [("low", 2.0), ("mid", 1.0), ("high", 0.5)],
    ]
    assert (classified[0][0].label, classified[0][0].score) == ("low", 1.0)


def test_regress(ask: Ask) -> None:
    """A float32 for each example."""
    regressed = ask("regress", "half_plus_two", EXAMPLES, version=123, signature="regress_x_to_y")
    assert (regressed.dtype, regressed.tolist()) == (np.float32, [2.5, 4.0])


@pytest.mark.parametrize(
    ("method", "signature", "expected"),
    [
        pytest.param("regress", "regress_x_to_y", [2.5, 4.0], id="regress"),
        pytest.param("classify", "classify_x_to_y", [[("", 2.5)], [("", 4.0)]], id="classify"),
    ],
)
def test_context_is_shared(ask: Ask, method: str, signature: str, expected: list[object]) -> None:
    """Features of the context are those of every example that lacks them."""
    choice = {"version": 123, "signature": signature}
    assert list(ask(method, "half_plus_two", [{}, {"x": 4.0}], context={"x": 1.0}, **choice)) == expected


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"signatures": ["regress_x_to_y", "classify_x_to_y"]}, id="signatures"),
        pytest.param(
            {
                "tasks": [
                    Task(signature="regress_x_to_y", method=REGRESS),
                    Task(signature="classify_x_to_y", method=CLASSIFY),
                ]
            },
            id="tasks",
        ),
    ],
)
def test_multi_inference(ask: Ask, asked: dict[str, Any]) -> None:
    """Each signature's result, as its own method would give it."""
    results = ask("multi_inference", "half_plus_two", EXAMPLES, version=123, **asked)
    assert list(results) == ["regress_x_to_y", "classify_x_to_y"]
    assert results["regress_x_to_y"].tolist() == [2.5, 4.0]
    assert results["classify_x_to_y"] == [[("", 2.5)], [("", 4.0)]]


def test_metadata(ask: Ask) -> None:
    """Signatures with the names, dtypes and shapes of their inputs and outputs."""
    metadata = ask("metadata", "multi")
    assert (metadata.model, metadata.version) == ("multi", 1)
    assert list(metadata.signatures) == ["scalar", "serving_default", "uneven", "with_default"]
    signature = metadata.signatures["serving_default"]
    assert signature.method == "tensorflow/serving/predict"
    assert signature.inputs["a"] == TensorInfo(name="a:0", dtype="float32", shape=(-1, 2))
    assert {name: info.dtype for name, info in signature.outputs.items()} == {"sum": "float32", "b2": "int32"}


def test_status(ask: Ask) -> None:
    """Every version, or the one that is asked for."""
    statuses = ask("status", "labels")
    assert sorted(each.version for each in statuses) == [1, 2, 3]
    expected = VersionStatus(version=2, state="AVAILABLE", code=0, message="")
    assert expected in statuses
    assert ask("status", "labels", version=2) == [expected]


def available(client: Client, model: str) -> list[int]:
    """The available versions of a model, in order."""
    return sorted(each.version for each in client.status(model) if each.state == "AVAILABLE")


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param({}, [3], id="the newest"),
        pytest.param({"latest": 2}, [2, 3], id="latest"),
        pytest.param({"versions": (1, 3)}, [1, 3], id="specific"),
        pytest.param({"all_versions": True, "labels": {"old": 1}}, [1, 2, 3], id="all"),
    ],
)
def test_reload(models: Path, policy: dict[str, Any], expected: list[int]) -> None:
    """The server serves the versions of the new configuration, with its labels."""
    base = str(models / "labels")
    flags = (f"--model_base_path={base}", "--model_name=before", "--allow_version_labels_for_unavailable_models")
    with ServerProcess(flags) as server, Client(f"localhost:{server.grpc_port}") as client:
        client.reload([ModelConfig(name="after", base_path=base, **policy)])
        wait_until("every version is available", lambda: available(client, "after") == expected)
        for label, version in policy.get("labels", {}).items():
            assert client.predict("after", {"x": [0.0]}, label=label)["y"].tolist() == [version]


def test_large_messages(ask: Ask) -> None:
    """Neither way has a limit on sizes of the client's own: 8 MiB are twice gRPC's."""
    array = np.arange(2**21, dtype=np.float32)
    assert np.array_equal(ask("predict", "dtypes", {"x": array}, signature="float")["y"], array)
