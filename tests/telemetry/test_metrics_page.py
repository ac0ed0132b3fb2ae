"""The metrics page of a running server: where it is, and that its numbers agree with the traffic at both doors."""

import http.client
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import text_format

from serving.protos import message
from tests.server_process import START_SECONDS, ServerProcess, write_model_config

PAGE = "/monitoring/prometheus/metrics"
INSTANCES = '{"instances": [1.0, 2.0]}'
EXAMPLES = '{"examples": [{"v": 1.0}]}'
PREDICTION = "/tensorflow.serving.PredictionService/"
ONE_EXAMPLE = (
    'input { example_list { examples { features { feature { key: "v" value { float_list { value: 1 } } } } } } }'
)
VALUES = "inputs { key: 'x' value { dtype: DT_FLOAT tensor_shape { dim { size: 1 } } float_val: 2 } }"
_POINT = re.compile(r"(.*\}) (\S+)")
_NOT_SETTLED = re.compile(r"_(bucket|sum)\{")


def monitoring(directory: Path, text: str) -> str:
    """The flag for a monitoring file with this text."""
    path = directory / "monitoring.config"
    path.write_text(text)
    return f"--monitoring_config_file={path}"


def points(server: ServerProcess, path: str = PAGE) -> dict[str, float]:
    """Every number of the page by its name and labels."""
    status, body = server.rest("GET", path)
    assert status == 200
    return {match[1]: float(match[2]) for line in body.decode().splitlines() if (match := _POINT.fullmatch(line))}


def added(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """What has grown under ``tensorflow:serving``, and by how much; without sums and buckets, which depend on time."""
    return {
        name.removeprefix(":tensorflow:serving:"): value - before.get(name, 0)
        for name, value in after.items()
        if name.startswith(":tensorflow:serving:") and value != before.get(name, 0) and not _NOT_SETTLED.search(name)
    }


@pytest.fixture(scope="module", params=["grpcio", "native"])
def server(
    request: pytest.FixtureRequest, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server with metrics at the default path, once for each gRPC transport."""
    directory = tmp_path_factory.mktemp("metrics")
    names = ("half_plus_three", "classifier", "slow", "failing", "warmup")
    config = write_model_config(directory / "models.config", {name: models / name for name in names})
    flags = [
        f"--model_config_file={config}",
        f"--grpc_transport={request.param}",
        "--max_request_bytes=100000",
        monitoring(directory, "prometheus_config { enable: true }"),
    ]
    with ServerProcess(flags) as running:
        yield running


def exchange(
    server: ServerProcess, method: str, target: str, body: str | None = None, headers: dict[str, str] | None = None
) -> tuple[int, str, bytes]:
    """Status, content type and body of one exchange."""
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=START_SECONDS)
    try:
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read()
    finally:
        connection.close()


def call(server: ServerProcess, method: str, request: str, kind: str) -> str:
    """The status code of a gRPC call, by name; the request is proto text of the message ``kind``."""
    data = text_format.Parse(request, message(f"tensorflow.serving.{kind}")()).SerializeToString()
    with server.channel() as channel:
        try:
            channel.unary_unary(method)(data, timeout=START_SECONDS)
        except grpc.RpcError as error:
            return str(error.code().name)
    return "OK"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_any_method_gets_the_page(server: ServerProcess, method: str) -> None:
    """The page is plain text, whatever the method."""
    status, content_type, body = exchange(server, method, PAGE)
    assert (status, content_type) == (200, "text/plain")
    assert body.startswith(b"# TYPE ")
    assert body.endswith(b"\n")


def test_every_line_is_a_type_or_a_point(server: ServerProcess) -> None:
    """Nothing else is on the page, whatever names clients have asked for."""
    server.rest("POST", "/v1/models/a%0Ab%22%FF:predict", INSTANCES)
    lines = server.rest("GET", PAGE)[1].decode().splitlines()
    wrong = [line for line in lines if not _POINT.fullmatch(line) and not re.fullmatch(r"# TYPE [\w:]+ \w+", line)]
    assert wrong == []


@pytest.mark.parametrize("suffix", ["?", "?name=x", "?a#b"])
def test_query_is_refused(server: ServerProcess, suffix: str) -> None:
    """A query is no part of the path, and the page takes none."""
    status, content_type, body = exchange(server, "GET", PAGE + suffix)
    assert (status, content_type) == (400, "text/plain")
    assert body == f"Unexpected path: {PAGE}{suffix}. Should be {PAGE}".encode()


@pytest.mark.parametrize("target", [f"{PAGE}/", f"{PAGE}x", "/monitoring", "/metrics"])
def test_other_paths_are_not_found(server: ServerProcess, target: str) -> None:
    """Only the exact path is the page."""
    assert server.rest("GET", target)[0] == 404


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
    assert exchange(server, "OPTIONS", "/v1/models/slow", headers={"Origin": "http://a"})[0] == 200
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


def test_reload_tells_increases(models: Path, tmp_path: Path) -> None:
    """A reload that asks for metrics is told by how much they grew during it, 0 for one that is not there."""
    base_path = models / "half_plus_three"
    listed = "".join(
        f'config {{ name: "{name}" base_path: "{base_path}" model_platform: "tensorflow" }}' for name in "ab"
    )
    request = text_format.Parse(
        f"config {{ model_config_list {{ {listed} }} }} "
        "metric_names: '/tensorflow/cc/saved_model/load_attempt_count' metric_names: '/nothing'",
        message("tensorflow.serving.ReloadConfigRequest")(),
    )
    config = write_model_config(tmp_path / "models.config", {"a": base_path})
    with ServerProcess([f"--model_config_file={config}"]) as running, running.channel() as channel:
        reload = channel.unary_unary("/tensorflow.serving.ModelService/HandleReloadConfigRequest")
        response = message("tensorflow.serving.ReloadConfigResponse").FromString(
            reload(request.SerializeToString(), timeout=START_SECONDS)
        )
    assert {metric.name: metric.int64_value_increase for metric in response.metric} == {
        "/tensorflow/cc/saved_model/load_attempt_count": 1,
        "/nothing": 0,
    }


def test_path_of_ones_own(models: Path, tmp_path: Path) -> None:
    """The configured path is the page, also among the API's, and the default one is not."""
    text = 'prometheus_config { enable: true path: "/v1/metrics" }'
    flags = [f"--model_base_path={models / 'half_plus_three'}", monitoring(tmp_path, text)]
    with ServerProcess(flags) as running:
        assert ':serving:version_state{model_name="default",version="1",state="AVAILABLE"}' in points(
            running, "/v1/metrics"
        )
        assert running.rest("GET", PAGE)[0] == 404


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("prometheus_config {", "INVALID_ARGUMENT: Invalid protobuf file: '{path}'", id="broken"),
        pytest.param(None, "NOT_FOUND: {path}; No such file or directory", id="missing"),
    ],
)
def test_file_that_cannot_be_read(models: Path, tmp_path: Path, text: str | None, expected: str) -> None:
    """A monitoring file that cannot be used ends the start, with the reason."""
    flag = monitoring(tmp_path, text or "")
    path = tmp_path / "monitoring.config"
    if text is None:
        path.unlink()
    with ServerProcess([f"--model_base_path={models / 'half_plus_three'}", flag], wait=False) as running:
        running.wait_for(re.escape("Failed to start server. Error: " + expected.format(path=path)))
        assert running.wait() == 255


def test_file_is_not_read_without_rest(models: Path, tmp_path: Path) -> None:
    """There is nowhere to show metrics without a REST port, so the file is not looked at."""
    flags = [
        f"--model_base_path={models / 'half_plus_three'}",
        f"--monitoring_config_file={tmp_path}/nothing",
        "--rest_api_port=0",
    ]
    with ServerProcess(flags, wait=False) as running:
        running.wait_for("Running gRPC ModelServer")


def test_path_without_slash_is_named_in_the_log(models: Path, tmp_path: Path) -> None:
    """A path that no request can have is accepted, and the log says so."""
    flag = monitoring(tmp_path, 'prometheus_config { enable: true path: "metrics" }')
    with ServerProcess([f"--model_base_path={models / 'half_plus_three'}", flag]) as running:
        running.wait_for("no request can have the path 'metrics'; expected one that begins with /")
