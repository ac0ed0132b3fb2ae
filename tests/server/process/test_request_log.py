"""Request logging as an operator sees it: both doors write, the files warm a version up, a full disk stops nothing."""

import base64
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from serving.protos import Example, PredictionLog, message
from tests.server.doors.clients import GrpcClient, RefusedError
from tests.server.process.conftest import Put, lines
from tests.support.server_process import ServerProcess, wait_until
from tests.unit.request_log.disk import read_all

LIMITED = (
    "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300)); "
    "runpy.run_module('serving', run_name='__main__')"
)
"""The server, for which every file is full at 300 bytes."""

LOGGED = "logging_config { sampling_config { sampling_rate: 1 } }"
FILE = Path("assets.extra", "tf_serving_warmup_requests")


def write_config(path: Path, base_path: Path, logging: str) -> str:
    """A configuration of the one model ``classifier``; the flag that names it."""
    config = f'name: "classifier" base_path: "{base_path}" model_platform: "tensorflow" {logging}'
    path.write_text(f"model_config_list {{ config {{ {config} }} }}")
    return f"--model_config_file={path}"


def example(value: float) -> Any:
    made = Example()
    made.features.feature["v"].float_list.value.append(value)
    return made


def request(kind: str, signature_name: str = "") -> bytes:
    """A serialised request of the API with one Example."""
    made = message(f"tensorflow.serving.{kind}Request")()
    if kind == "Predict":
        made.inputs["inputs"].dtype = 7
        made.inputs["inputs"].tensor_shape.dim.add(size=1)
        made.inputs["inputs"].string_val.append(example(1.0).SerializeToString())
    else:
        made.input.example_list.examples.append(example(1.0))
    if kind == "MultiInference":
        task = made.tasks.add(method_name="tensorflow/serving/classify")
        task.model_spec.name = "classifier"
    else:
        made.model_spec.name, made.model_spec.signature_name = "classifier", signature_name
    return bytes(made.SerializeToString())


def ask_rest(server: ServerProcess) -> None:
    """One request of each kind at the REST door, and one that is refused."""
    given = base64.b64encode(example(2.0).SerializeToString()).decode()
    for method, body, status in [
        ("predict", {"inputs": [{"b64": given}]}, 200),
        ("classify", {"examples": [{"v": 2.0}]}, 200),
        ("regress", {"signature_name": "regress_flat", "examples": [{"v": 2.0}]}, 200),
        ("predict", {"inputs": 1}, 400),
    ]:
        assert server.rest("POST", f"/v1/models/classifier:{method}", json.dumps(body))[0] == status


def ask_grpc(server: ServerProcess) -> None:
    """One request of each kind at the gRPC door, and one that is refused."""
    client = GrpcClient(server)
    client.call("PredictionService/Predict", request("Predict"))
    client.call("PredictionService/Classify", request("Classification"))
    client.call("PredictionService/Regress", request("Regression", "regress_flat"))
    client.call("PredictionService/MultiInference", request("MultiInference"))
    with pytest.raises(RefusedError):
        client.call("PredictionService/Classify", request("Classification", "unknown"))
    client.close()


def test_logged_requests_warm_a_version_up(models: Path, tmp_path: Path, put: Put, transport: str) -> None:
    """Requests of both doors are logged once answered, and the next version loads with the file as its warm-up."""
    base_path, logs = tmp_path / "base", tmp_path / "logs"
    put(models / "classifier" / "1", base_path / "1")
    config = write_config(tmp_path / "models.config", base_path, LOGGED)
    with ServerProcess([config, f"--grpc_transport={transport}", f"--request_log_directory={logs}"]) as server:
        ask_rest(server)
        ask_grpc(server)
        wait_until("seven requests are logged", lambda: len(read_all(logs)) == 7)
        (file,) = logs.iterdir()
        next_version = tmp_path / "next"
        shutil.copytree(models / "classifier" / "1", next_version)
        (next_version / FILE.parent).mkdir()
        shutil.copy(file, next_version / FILE)
        put(next_version, base_path / "2")
        server.wait_for(r"Finished reading warmup data for model at \S+/2/\S+ Number of warmup records read: 7\.")
        server.wait_for(r"Successfully loaded servable version \{name: classifier version: 2\}")
    kinds = [PredictionLog.FromString(record).WhichOneof("log_type") for record in read_all(logs)]
    each = ["predict_log", "classify_log", "regress_log"]
    assert kinds == [*each, *each, "multi_inference_log"]


def test_doors_log_alike(models: Path, tmp_path: Path) -> None:
    """The same classification at both doors gives the same record, time apart."""
    logs = tmp_path / "logs"
    config = write_config(tmp_path / "models.config", models / "classifier", LOGGED)
    with ServerProcess([config, f"--request_log_directory={logs}"]) as server:
        body = json.dumps({"examples": [{"v": 1.0}]})
        assert server.rest("POST", "/v1/models/classifier:classify", body)[0] == 200
        client = GrpcClient(server)
        client.call("PredictionService/Classify", request("Classification"))
        client.close()
    rest, grpc = (PredictionLog.FromString(record) for record in read_all(logs))
    rest.log_metadata.timestamp_secs = grpc.log_metadata.timestamp_secs
    assert rest == grpc
    assert rest.classify_log.response.model_spec.version.value == 1


def test_full_disk_does_not_stop_serving(models: Path, tmp_path: Path) -> None:
    """When files cannot grow any more, one line says that logging stops; requests are answered as before."""
    logs = tmp_path / "logs"
    config = write_config(tmp_path / "models.config", models / "classifier", LOGGED)
    flags = [config, f"--request_log_directory={logs}"]
    with ServerProcess(flags, command=(sys.executable, "-c", LIMITED)) as server:
        ask_rest(server)
        server.wait_for("Request logging stops, .* cannot write below .*: File too large")
        ask_rest(server)
        ask_grpc(server)
    assert server.process.returncode == 0
    assert len(lines(server, "Request logging stops")) == 1
    assert len(read_all(logs)) == 1


def test_logging_without_a_directory_fails_the_start(models: Path, tmp_path: Path) -> None:
    """Without --request_log_directory a logging_config ends the start, with TensorFlow Serving's text."""
    config = write_config(tmp_path / "models.config", models / "classifier", LOGGED)
    server = ServerProcess([config], wait=False)
    assert server.wait() == 255
    assert "Failed to start server. Error: INVALID_ARGUMENT: No request-logger-creator provided.\n" in server.output
    assert server.process.stdout is not None
    server.process.stdout.close()


def test_warm_up_can_be_turned_off(models: Path) -> None:
    """With --enable_model_warmup=false the file is not read, however broken."""
    flags = ["--model_name=m", f"--model_base_path={models}/warmup_garbage", "--enable_model_warmup=false"]
    with ServerProcess(flags) as server:
        assert server.rest("GET", "/v1/models/m")[0] == 200
    assert lines(server, "warmup data") == []


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        pytest.param("warmup_kind", "UNIMPLEMENTED: Unsupported log_type for warmup: 5", id="kind"),
        pytest.param(
            "warmup_garbage",
            "DATA_LOSS: corrupted record at 0 (Is this even a TFRecord file?). Please verify your warmup data is in "
            "TFRecord format.",
            id="garbage",
        ),
    ],
)
def test_bad_warm_up_fails_the_start(models: Path, model: str, expected: str) -> None:
    """A file that cannot be replayed keeps the model from serving."""
    flags = ["--model_name=m", f"--model_base_path={models}/{model}", "--max_num_load_retries=0"]
    server = ServerProcess(flags, wait=False)
    assert server.wait() == 255
    failed = f"1 servable(s) did not become available: {{{{{{name: m version: 1}} due to error: {expected}}}, }}"
    assert f"Failed to start server. Error: UNKNOWN: {failed}\n" in server.output
    assert server.process.stdout is not None
    server.process.stdout.close()
