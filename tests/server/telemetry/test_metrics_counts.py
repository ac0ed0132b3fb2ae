"""The numbers of the metrics page agree with the traffic at both doors, and with what is loaded."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.server.telemetry.metrics_page import INSTANCES, PAGE, added, call, points
from tests.support.server_process import ServerProcess

EXAMPLES = '{"examples": [{"v": 1.0}]}'
PREDICTION = "/tensorflow.serving.PredictionService/"
ONE_EXAMPLE = (
    'input { example_list { examples { features { feature { key: "v" value { float_list { value: 1 } } } } } } }'
)
VALUES = "inputs { key: 'x' value { dtype: DT_FLOAT tensor_shape { dim { size: 1 } } float_val: 2 } }"


REST_OK = [
    pytest.param(
        "POST",
        "/v1/models/half_plus_three:predict",
        INSTANCES,
        {
            'request_count{model_name="half_plus_three",status="OK"}': 1,
            'request_latency_count{model_name="half_plus_three",API="predict",entrypoint="REST"}': 1,
            'runtime_latency_count{model_name="half_plus_three",API="Predict",runtime="TF1"}': 1,
        },
        id="predict",
    ),
    pytest.param(
        "POST",
        "/v1/models/half_plus_three:predict",
        '{"instances": [' + "1.0, " * 15000 + "1.0]}",
        {
            'request_count{model_name="half_plus_three",status="OK"}': 1,
            'request_latency_count{model_name="half_plus_three",API="predict",entrypoint="REST"}': 1,
            'runtime_latency_count{model_name="half_plus_three",API="Predict",runtime="TF1"}': 1,
        },
        id="large body",
    ),
    pytest.param(
        "POST",
        "/v1/models/slow:predict",
        INSTANCES,
        {
            'request_count{model_name="slow",status="OK"}': 1,
            'request_latency_count{model_name="slow",API="predict",entrypoint="REST"}': 1,
            'runtime_latency_count{model_name="slow",API="Predict",runtime="TF1"}': 1,
        },
        id="off the event loop",
    ),
    pytest.param(
        "POST",
        "/v1/models/classifier:classify",
        EXAMPLES,
        {
            'request_count{model_name="classifier",status="OK"}': 1,
            'request_latency_count{model_name="classifier",API="classify",entrypoint="REST"}': 1,
            'runtime_latency_count{model_name="classifier",API="Classify",runtime="TF1"}': 1,
        },
        id="classify",
    ),
    pytest.param(
        "GET",
        "/v1/models/half_plus_three",
        None,
        {
            'request_count{model_name="half_plus_three",status="OK"}': 1,
            'request_latency_count{model_name="half_plus_three",API="",entrypoint="REST"}': 1,
        },
        id="status",
    ),
    pytest.param(
        "GET",
        "/v1/models/half_plus_three/metadata",
        None,
        {
            'request_count{model_name="half_plus_three",status="OK"}': 1,
            'request_latency_count{model_name="half_plus_three",API="",entrypoint="REST"}': 1,
        },
        id="metadata",
    ),
    pytest.param(
        "GET",
        "/v1/models",
        None,
        {
            'request_count{model_name="",status="OK"}': 1,
            'request_latency_count{model_name="",API="",entrypoint="REST"}': 1,
        },
        id="list",
    ),
]


@pytest.mark.parametrize(("method", "target", "body", "expected"), REST_OK)
def test_answered_over_rest(
    server: ServerProcess, method: str, target: str, body: str | None, expected: dict[str, float]
) -> None:
    """An answered REST call adds one to its count, its latency and, if a model ran, to its run's latency."""
    before = points(server)
    assert server.rest(method, target, body)[0] == 200
    assert added(before, points(server)) == expected


@pytest.mark.parametrize(
    ("method", "target", "body", "model", "status"),
    [
        pytest.param("POST", "/v1/models/nope:predict", INSTANCES, "nope", "NOT_FOUND", id="unknown model"),
        pytest.param("GET", "/v1/models/nope", None, "nope", "NOT_FOUND", id="status of an unknown model"),
        pytest.param("GET", "/v1/models/nope/metadata", None, "nope", "NOT_FOUND", id="metadata of an unknown model"),
        pytest.param(
            "POST", "/v1/models/slow/labels/no:predict", INSTANCES, "slow", "INVALID_ARGUMENT", id="unknown label"
        ),
        pytest.param("POST", "/v1/models/slow:predict", "{", "slow", "INVALID_ARGUMENT", id="no JSON"),
        pytest.param(
            "POST", "/v1/models/failing:predict", '{"instances": [-1.0]}', "failing", "INVALID_ARGUMENT", id="run fails"
        ),
        pytest.param("POST", "/v1/models/slow", INSTANCES, "", "INVALID_ARGUMENT", id="malformed"),
        pytest.param("POST", "/v1/models/slow:PREDICT", INSTANCES, "slow", "INVALID_ARGUMENT", id="method in capitals"),
        pytest.param("DELETE", "/v1/models/slow", None, "", "INVALID_ARGUMENT", id="method not allowed"),
        pytest.param("GET", "/v1/models/versions/1", None, "", "INVALID_ARGUMENT", id="no name"),
        pytest.param(
            "GET", f"/v1/models/slow/versions/{2**63}", None, "slow", "INVALID_ARGUMENT", id="version too large"
        ),
        pytest.param("POST", "/v1/models/slow:predict", " " * 100001, "slow", "RESOURCE_EXHAUSTED", id="too large"),
        pytest.param("OPTIONS", "/v1/models/slow", None, "", "FAILED_PRECONDITION", id="preflight without origin"),
    ],
)
def test_refused_over_rest(
    server: ServerProcess, method: str, target: str, body: str | None, model: str, status: str
) -> None:
    """A REST call that fails adds one to the count of its code, and nothing else."""
    before = points(server)
    assert server.rest(method, target, body)[0] >= 400
    assert added(before, points(server)) == {f'request_count{{model_name="{model}",status="{status}"}}': 1}


def test_preflight_is_counted(server: ServerProcess) -> None:
    """A preflight has no model and no method."""
    before = points(server)
    assert server.rest("OPTIONS", "/v1/models/slow", headers={"Origin": "http://a"})[0] == 200
    assert added(before, points(server)) == {
        'request_count{model_name="",status="OK"}': 1,
        'request_latency_count{model_name="",API="",entrypoint="REST"}': 1,
    }


@pytest.mark.parametrize(
    ("method", "kind", "request_text", "model"),
    [
        pytest.param("Predict", "PredictRequest", VALUES, "half_plus_three", id="predict"),
        pytest.param("Predict", "PredictRequest", VALUES, "slow", id="slow predict"),
        pytest.param("Classify", "ClassificationRequest", ONE_EXAMPLE, "classifier", id="classify"),
        pytest.param("Regress", "RegressionRequest", ONE_EXAMPLE, "classifier", id="regress"),
    ],
)
def test_answered_over_grpc(server: ServerProcess, method: str, kind: str, request_text: str, model: str) -> None:
    """An answered gRPC call adds one to its count, its latency and its run's latency."""
    signature = "regress_flat" if method == "Regress" else ""
    spec = f"model_spec {{ name: '{model}' signature_name: '{signature}' }}"
    before = points(server)
    assert call(server, PREDICTION + method, f"{spec} {request_text}", kind) == "OK"
    assert added(before, points(server)) == {
        f'request_count{{model_name="{model}",status="OK"}}': 1,
        f'request_latency_count{{model_name="{model}",API="{method}",entrypoint="GRPC"}}': 1,
        f'runtime_latency_count{{model_name="{model}",API="{method}",runtime="TF1"}}': 1,
    }


@pytest.mark.parametrize(
    ("request_text", "model", "status"),
    [
        pytest.param("", "", "INVALID_ARGUMENT", id="no model spec"),
        pytest.param("model_spec { name: 'nope' }", "nope", "NOT_FOUND", id="unknown model"),
        pytest.param("model_spec { name: 'slow' }", "slow", "INVALID_ARGUMENT", id="no inputs"),
        pytest.param(
            f"model_spec {{ name: 'slow' signature_name: 'no' }} {VALUES}",
            "slow",
            "FAILED_PRECONDITION",
            id="unknown signature",
        ),
        pytest.param(
            f"model_spec {{ name: 'failing' }} {VALUES.replace('float_val: 2', 'float_val: -2')}",
            "failing",
            "INVALID_ARGUMENT",
            id="run fails",
        ),
    ],
)
def test_refused_over_grpc(server: ServerProcess, request_text: str, model: str, status: str) -> None:
    """A Predict that fails adds one to the count of its code, and nothing else."""
    before = points(server)
    assert call(server, f"{PREDICTION}Predict", request_text, "PredictRequest") == status
    assert added(before, points(server)) == {f'request_count{{model_name="{model}",status="{status}"}}': 1}


def test_multi_inference_counts_examples(server: ServerProcess) -> None:
    """MultiInference adds its Examples and nothing else."""
    task = 'tasks { model_spec { name: "classifier" } method_name: "tensorflow/serving/classify" }'
    before = points(server)
    assert call(server, f"{PREDICTION}MultiInference", f"{task} {ONE_EXAMPLE}", "MultiInferenceRequest") == "OK"
    assert added(before, points(server)) == {
        'request_example_count_total{model="classifier"}': 1,
        'request_example_counts_count{model="classifier"}': 1,
    }


@pytest.mark.parametrize(
    ("method", "kind", "request_text"),
    [
        pytest.param(
            f"{PREDICTION}GetModelMetadata",
            "GetModelMetadataRequest",
            "model_spec { name: 'slow' } metadata_field: 'signature_def'",
            id="metadata",
        ),
        pytest.param(
            "/tensorflow.serving.ModelService/GetModelStatus",
            "GetModelStatusRequest",
            "model_spec { name: 'slow' }",
            id="status",
        ),
    ],
)
def test_not_counted_over_grpc(server: ServerProcess, method: str, kind: str, request_text: str) -> None:
    """These calls are counted over REST only."""
    before = points(server)
    assert call(server, method, request_text, kind) == "OK"
    assert added(before, points(server)) == {}


@pytest.mark.parametrize("target", [PAGE, "/healthz/live", "/nothing"])
def test_not_counted_over_rest(server: ServerProcess, target: str) -> None:
    """What is not the API is not counted."""
    before = points(server)
    server.rest("GET", target)
    assert added(before, points(server)) == {}


def test_nothing_is_lost_among_many_clients(server: ServerProcess) -> None:
    """Calls at the same time at both doors all count."""
    before = points(server)
    request = f"model_spec {{ name: 'half_plus_three' }} {VALUES}"

    def both(_: int) -> Any:
        rest = server.rest("POST", "/v1/models/half_plus_three:predict", INSTANCES)[0]
        return rest, call(server, f"{PREDICTION}Predict", request, "PredictRequest")

    with ThreadPoolExecutor(8) as clients:
        assert set(clients.map(both, range(100))) == {(200, "OK")}
    assert added(before, points(server)) == {
        'request_count{model_name="half_plus_three",status="OK"}': 200,
        'request_latency_count{model_name="half_plus_three",API="predict",entrypoint="REST"}': 100,
        'request_latency_count{model_name="half_plus_three",API="Predict",entrypoint="GRPC"}': 100,
        'runtime_latency_count{model_name="half_plus_three",API="Predict",runtime="TF1"}': 200,
    }


def test_loaded_models_are_shown(server: ServerProcess, models: Path) -> None:
    """Each version has a state and a load."""
    shown = points(server)
    (path,) = (models / "slow").iterdir()
    assert shown[f':serving:version_state{{model_name="slow",version="{int(path.name)}",state="AVAILABLE"}}'] == 1
    assert shown[f':tensorflow:cc:saved_model:load_attempt_count{{model_path="{path}",status="success"}}'] == 1
    assert shown[f':tensorflow:cc:saved_model:load_latency{{model_path="{path}"}}'] > 0


def test_warm_up_is_shown(server: ServerProcess, models: Path) -> None:
    """The records of a version's warm-up are counted, and their runs among the others."""
    shown = points(server)
    labels = f'{{model_path="{models / "warmup" / "1"}",status="OK"}}'
    assert shown[f":tensorflow:serving:model_warmup_records_read{labels}"] == 3
    assert shown[f":tensorflow:serving:model_warmup_latency_count{labels}"] == 1
    assert shown[':tensorflow:serving:runtime_latency_count{model_name="warmup",API="Predict",runtime="TF1"}'] == 3
