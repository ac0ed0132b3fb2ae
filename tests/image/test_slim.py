"""What is left out of the image is not missed: every feature of the server works in it, and so does saved_model_cli.

How large it is, is for test_verify.py; what is kept of OpenVINO, for test_openvino_in_image.py; custom operations are
test_custom_ops_image.py's.
"""

import json
import os
import re
import shutil
import socket
import ssl
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from serving.codecs import tfrecord
from serving.protos import PredictionLog, PredictRequest, PredictResponse, ReloadConfigRequest, ReloadConfigResponse
from tests.image import grpc_client
from tests.image.containers import MOUNTED, RunContainer, TrackedContainer, docker, http, wait_until
from tests.server.doors.certificates import HOST, Authority, write_config

PACKAGES = "/opt/serving/lib/python3.11/site-packages"
QUESTION = {"instances": [1.0, 2.0, 5.0]}
ANSWER = {"predictions": [2.5, 3.0, 4.5]}
CONFIG = """
model_config_list { config {
  name: "logged" base_path: "/models/half_plus_two" model_platform: "tensorflow"
  logging_config { sampling_config { sampling_rate: 1 } }
} }
"""


@pytest.mark.parametrize(
    "path",
    [
        f"{PACKAGES}/tensorflow/include/tensorflow/core",
        f"{PACKAGES}/clang",
        f"{PACKAGES}/keras",
        f"{PACKAGES}/pip",
        f"{PACKAGES}/setuptools",
        f"{PACKAGES}/numpy/_core/tests",
        "/opt/build",
        "/usr/bin/gcc",
        "/usr/bin/strip",
        "/var/cache/apt/pkgcache.bin",
    ],
)
def test_is_left_out(half_plus_two: TrackedContainer, path: str) -> None:
    """Headers, compilers, Keras, tests and the caches of package managers are for building, not for serving."""
    assert half_plus_two.execute("sh", "-c", f'test -e "{path}" || echo absent') == "absent\n"


@pytest.mark.parametrize(
    "kind", ["*.h", "*.pyi", "*.cpp", "*.a", "*.deb", "*.whl"], ids=lambda kind: str(kind).removeprefix("*.")
)
def test_no_file_is_of_kind(half_plus_two: TrackedContainer, kind: str) -> None:
    """Of what only a compiler, a type checker or a package manager reads, nothing is left above the base."""
    # The package manager's own lock directory cannot be read, and find says so.
    search = f"find /opt/serving /var/cache/apt -xdev -type f -name '{kind}' 2>/dev/null || true"
    assert half_plus_two.execute("sh", "-c", search) == ""


def test_licences_stay(half_plus_two: TrackedContainer) -> None:
    """The licences of what is compiled into TensorFlow lie among its headers, and are not left out with them."""
    found = half_plus_two.execute("find", f"{PACKAGES}/tensorflow", "-name", "LICENSE", "-o", "-name", "*NOTICES.txt")
    assert "tensorflow/THIRD_PARTY_NOTICES.txt\n" in found
    assert "tensorflow/include/external/com_google_protobuf/LICENSE\n" in found


def show(image: str, models: Path, *arguments: str) -> str:
    """What ``saved_model_cli ARGUMENTS`` prints in a container with a read-only file system."""
    return docker("run", "--rm", "--read-only", f"--volume={models}:/models:ro", image, "saved_model_cli", *arguments)


def test_saved_model_cli_shows_all(image: str, models: Path) -> None:
    """`saved_model_cli show --dir /models/x/1 --all` prints signatures, and the functions behind them."""
    printed = show(image, models, "show", "--dir", "/models/half_plus_two/1", "--all")
    assert "signature_def['serving_default']" in printed
    assert "inputs['x'] tensor_info" in printed
    assert "Concrete Functions:" in printed
    assert "Traceback" not in printed


def test_saved_model_cli_runs_a_model(image: str, models: Path) -> None:
    """It computes as well, and prints what the model answers."""
    which = ["--dir", "/models/half_plus_two/1", "--tag_set", "serve", "--signature_def", "serving_default"]
    printed = show(image, models, "run", *which, "--input_exprs", "x=[1.0, 2.0, 5.0]")
    assert "[2.5 3.  4.5]" in printed


def test_a_part_that_is_left_out_says_so(half_plus_two: TrackedContainer) -> None:
    """`import tensorflow` works; TensorFlow Lite's interpreter is not there, and using it names what is missing."""
    script = (
        "import tensorflow as tf\n"
        "print(tf.linalg.det(tf.eye(3)).numpy(), tf.io.gfile.exists('/models'))\n"
        "try:\n    tf.lite.Interpreter(model_content=b'x')\n"
        "except ImportError as error:\n    print(error)\n"
    )
    printed = half_plus_two.execute("python", "-c", script)
    assert "1.0 True\n" in printed
    assert "is left out of this image" in printed


def warm_up_file(version: Path, name: str, alias: str, tensor: Any) -> None:
    """Add a recorded request to a version's directory."""
    log = PredictionLog()
    log.predict_log.request.model_spec.name = name
    log.predict_log.request.inputs[alias].CopyFrom(tensor)
    file = version / "assets.extra" / "tf_serving_warmup_requests"
    file.parent.mkdir(mode=0o755)
    file.write_bytes(tfrecord.frame(log.SerializeToString()))
    file.chmod(0o644)


@pytest.fixture(scope="module")
def everything(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models with recorded requests, and the configuration files of a server that does all it can."""
    directory = tmp_path_factory.mktemp("everything")
    shutil.copytree(models / "half_plus_two", directory / "half_plus_two")
    warm_up_file(directory / "half_plus_two" / "1", "half_plus_two", "x", grpc_client.floats(1.0))
    (directory / "models.config").write_text(CONFIG)
    (directory / "batching.config").write_text("max_batch_size { value: 8 } batch_timeout_micros { value: 1000 }")
    (directory / "monitoring.config").write_text('prometheus_config { enable: true path: "/metrics" }')
    authority = Authority("the tests")
    identity = authority.identity()
    write_config(directory / "tls.config", key=identity.key, certificate=identity.certificate)
    (directory / "authority.pem").write_bytes(authority.certificate)
    for path in [directory, *directory.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return directory


@pytest.fixture(scope="module")
def server(image: str, everything: Path) -> Iterator[TrackedContainer]:
    """A server with batching, metrics, warm-up, request logging and a configuration file."""
    flags = [
        f"--model_config_file={MOUNTED}/models.config",
        "--enable_batching",
        f"--batching_parameters_file={MOUNTED}/batching.config",
        f"--monitoring_config_file={MOUNTED}/monitoring.config",
        "--request_log_directory=/tmp/requests",
    ]
    with TrackedContainer(image, models=everything, arguments=flags) as container:
        container.wait_ready()
        yield container


def test_warm_up_requests_are_made(server: TrackedContainer) -> None:
    """The recorded requests are read before the model is called available."""
    assert "Finished reading warmup data" in server.logs()


def test_batched_answers_at_both_doors(server: TrackedContainer) -> None:
    """With batching, REST and the native gRPC transport answer alike."""
    answer = grpc_client.predict(server.address(8500), "logged", x=grpc_client.floats(1.0, 2.0, 5.0))
    assert answer["y"].tolist() == server.predict("logged", QUESTION)["predictions"] == ANSWER["predictions"]


def test_metrics_are_counted(server: TrackedContainer) -> None:
    """The metrics page has the model that was asked."""
    server.predict("logged", QUESTION)
    status, page = http(server.url("/metrics"))
    assert status == 200
    assert ':tensorflow:serving:request_count{model_name="logged",status="OK"}' in page


def test_requests_are_logged(server: TrackedContainer) -> None:
    """A request of a model with a logging_config ends in a file."""
    server.predict("logged", QUESTION)
    find = ["find", "/tmp/requests", "-type", "f", "-size", "+0"]
    wait_until("a logged request", lambda: server.execute(*find).startswith("/tmp/requests/"), 30)


def test_the_configuration_is_reloaded(server: TrackedContainer) -> None:
    """HandleReloadConfigRequest adds a model to a running server."""
    request = ReloadConfigRequest()
    for name in ("logged", "added"):
        request.config.model_config_list.config.add(
            name=name, base_path=f"{MOUNTED}/half_plus_two", model_platform="tensorflow"
        )
    with grpc.insecure_channel(server.address(8500), [("grpc.enable_http_proxy", 0)]) as channel:
        call = channel.unary_unary(
            "/tensorflow.serving.ModelService/HandleReloadConfigRequest",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=ReloadConfigResponse.FromString,
        )
        assert call(request, timeout=60).status.error_code == 0
    assert server.predict("added", QUESTION) == ANSWER


@pytest.fixture(scope="module")
def secured(image: str, everything: Path) -> Iterator[TrackedContainer]:
    """A server whose two APIs speak TLS, gRPC by grpcio."""
    flags = [f"--{door}ssl_config_file={MOUNTED}/tls.config" for door in ("", "rest_api_")]
    environment = {"MODEL_NAME": "half_plus_two"}
    with TrackedContainer(image, models=everything, environment=environment, arguments=flags) as container:
        wait_until("the doors are open", lambda: "Exporting HTTP/REST API" in container.logs(), 60)
        yield container


def test_grpc_by_grpcio_with_tls(secured: TrackedContainer, everything: Path) -> None:
    """The other transport answers, over TLS."""
    request = PredictRequest()
    request.model_spec.name = "half_plus_two"
    request.inputs["x"].CopyFrom(grpc_client.floats(1.0, 2.0, 5.0))
    credentials = grpc.ssl_channel_credentials((everything / "authority.pem").read_bytes())
    options = [("grpc.ssl_target_name_override", HOST), ("grpc.enable_http_proxy", 0)]
    with grpc.secure_channel(secured.address(8500), credentials, options) as channel:
        call = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=PredictResponse.FromString,
        )
        outputs = call(request, timeout=60).outputs
    np.testing.assert_array_equal(grpc_client.array(outputs["y"]), [2.5, 3.0, 4.5])


def test_rest_with_tls(secured: TrackedContainer, everything: Path) -> None:
    """HTTPS, with the certificate checked."""
    context = ssl.create_default_context(cafile=str(everything / "authority.pem"))
    assert ask_https(secured.address(8501), context) == ANSWER


def ask_https(address: str, context: ssl.SSLContext) -> Any:
    """The answer to QUESTION, on a connection to ``host:port`` that is checked as one to HOST."""
    host, _, port = address.rpartition(":")
    connection = HTTPSConnection(HOST, context=context, timeout=60)
    connection.sock = context.wrap_socket(socket.create_connection((host, int(port))), server_hostname=HOST)
    try:
        connection.request("POST", "/v1/models/half_plus_two:predict", json.dumps(QUESTION))
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


ENDED = re.compile(r"resnet version: 1\} is (optimised|served as it is saved): ")


def test_a_model_is_optimised(run_container: RunContainer, resnet: tuple[Path, Path], tmp_path: Path) -> None:
    """The child process that imports TensorFlow's Python has all it needs: ResNet-50 is rewritten and compared."""
    models, samples = resnet
    tmp_path.chmod(0o755)
    shutil.copytree(models / "resnet", tmp_path / "resnet", copy_function=os.link)
    image = grpc_client.strings((samples / "waves.jpg").read_bytes())
    warm_up_file(tmp_path / "resnet" / "1", "resnet", "image_bytes", image)
    container = run_container(models=tmp_path, environment={"MODEL_NAME": "resnet"})
    container.wait_ready()
    wait_until("trying has ended", lambda: ENDED.search(container.logs()) is not None, 150.0)
    # Whether it pays is for the machine to say; by then the processes have done their work.
    logs = container.logs()
    assert " is optimised: " in logs or "it does not pay" in logs or "gains too little" in logs, logs
    assert "ended with status" not in logs
