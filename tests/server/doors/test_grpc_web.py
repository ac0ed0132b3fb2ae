"""gRPC-Web at the REST port: the gRPC API's answers in other frames, and what is no call."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import grpc
import numpy as np
import pytest

from serving.access.making import make_key
from serving.protos import message
from tests.server.doors.clients import GrpcClient, RefusedError, Target, floats, predict_request, text
from tests.server.doors.conftest import Servers
from tests.server.doors.ways_in import classification, examples, proto
from tests.server.telemetry.metrics_page import PAGE
from tests.support.frames import PREDICT, framed
from tests.support.raw import RawConnection, Response, request
from tests.support.server_process import ServerProcess

BINARY, TEXT = "application/grpc-web+proto", "application/grpc-web-text+proto"
API = "/tensorflow.serving."
LIMIT_BYTES = 4_000_000
MODEL = Target(model="half_plus_two")
ONE = predict_request(MODEL, {"x": floats(1)})
ORIGIN = "https://a.example"


class Outcome(NamedTuple):
    """What a call comes to: the message if there is one, and the trailers, which have the status."""

    message: bytes | None
    trailers: Mapping[str, str]

    @property
    def status(self) -> tuple[str, str]:
        """gRPC's name of the code, and the details."""
        codes = {str(code.value[0]): code.name for code in grpc.StatusCode}
        return codes[self.trailers["grpc-status"]], unquote(self.trailers.get("grpc-message", ""))


@pytest.fixture(scope="module", params=["lane", "road"])
def server(request: pytest.FixtureRequest, model_config: Path) -> Iterator[ServerProcess]:
    """A server with gRPC-Web, for the scripts of one site."""
    flags = (
        f"--model_config_file={model_config}",
        "--allow_version_labels_for_unavailable_models",
        "--rest_api_grpc_web",
        f"--rest_small_request_lane={str(request.param == 'lane').lower()}",
        f"--rest_api_cors_allowed_origins={ORIGIN}",
        f"--max_request_bytes={LIMIT_BYTES}",
        "--access_log=json",
        "--grpc_transport=grpcio",
    )
    with ServerProcess(flags) as running:
        yield running
    assert running.process.returncode == 0
    assert "Traceback" not in "".join(running.output)


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[GrpcClient]:
    """The same methods over gRPC."""
    made = GrpcClient(server)
    yield made
    made.close()


def exchange(server: ServerProcess, path: str, body: bytes, *headers: str, kind: str = BINARY) -> Response:
    """One request on a connection of its own."""
    with RawConnection(server.rest_port) as connection:
        connection.send(request("POST", path, body, f"Content-Type: {kind}", *headers))
        return connection.response()


def outcome(response: Response) -> Outcome:
    """What an answer to a call says; there is nothing behind its trailers."""
    assert response.status == 200
    kind, body, payload = response.headers["content-type"], response.body, None
    assert kind in (BINARY, TEXT)
    if kind == TEXT:
        body = b64decode(body, validate=True)
    if body[0] == 0:
        size = int.from_bytes(body[1:5], "big")
        payload, body = body[5 : 5 + size], body[5 + size :]
    assert (body[0], int.from_bytes(body[1:5], "big")) == (0x80, len(body) - 5)
    lines = body[5:].decode("ascii").split("\r\n")
    assert lines.pop() == ""
    return Outcome(payload, dict(line.split(":", 1) for line in lines))


def ask(server: ServerProcess, path: str, payload: bytes, *headers: str, kind: str = BINARY) -> Outcome:
    """A call with this message."""
    frame = framed(payload)
    return outcome(exchange(server, path, b64encode(frame) if "text" in kind.lower() else frame, *headers, kind=kind))


def spec(signature: str = "") -> str:
    return f'model_spec {{ name: "half_plus_two" signature_name: "{signature}" }}'


CALLS = [
    pytest.param("PredictionService/Predict", ONE, id="Predict"),
    pytest.param("PredictionService/Classify", classification(), id="Classify"),
    pytest.param(
        "PredictionService/Regress",
        proto("tensorflow.serving.RegressionRequest", spec("regress_x_to_y") + examples()),
        id="Regress",
    ),
    pytest.param(
        "PredictionService/MultiInference",
        proto(
            "tensorflow.serving.MultiInferenceRequest",
            f'tasks {{ {spec("regress_x_to_y")} method_name: "tensorflow/serving/regress" }}{examples()}',
        ),
        id="MultiInference",
    ),
    pytest.param(
        "PredictionService/GetModelMetadata",
        proto("tensorflow.serving.GetModelMetadataRequest", spec() + ' metadata_field: "signature_def"'),
        id="GetModelMetadata",
    ),
    pytest.param(
        "ModelService/GetModelStatus", proto("tensorflow.serving.GetModelStatusRequest", spec()), id="GetModelStatus"
    ),
]


@pytest.mark.parametrize("kind", [BINARY, TEXT, "application/grpc-web", "Application/gRPC-Web-Text; charset=utf-8"])
@pytest.mark.parametrize(("method", "payload"), CALLS)
def test_answers_are_those_of_grpc(
    server: ServerProcess, client: GrpcClient, method: str, payload: bytes, kind: str
) -> None:
    """Byte for byte the same messages, for every method and in every way of writing frames."""
    given = ask(server, API + method, payload, kind=kind)
    assert given == Outcome(client.call(method, payload), {"grpc-status": "0"})


REFUSED = [
    pytest.param(predict_request(Target(model="none \u00e4"), {"x": floats(1)}), id="no such model"),
    pytest.param(predict_request(MODEL, {"y": floats(1)}), id="no such input"),
    pytest.param(predict_request(Target(model="failing"), {"x": floats(-1)}), id="a run that fails"),
    pytest.param(b"\xff\xff", id="no message"),
]


@pytest.mark.parametrize("kind", [BINARY, TEXT])
@pytest.mark.parametrize("payload", REFUSED)
def test_errors_are_those_of_grpc(server: ServerProcess, client: GrpcClient, payload: bytes, kind: str) -> None:
    """HTTP's status is 200, and the trailers have the code and the text."""
    with pytest.raises(RefusedError) as refused:
        client.call("PredictionService/Predict", payload)
    given = ask(server, PREDICT, payload, kind=kind)
    assert (given.message, *given.status) == (None, refused.value.code, refused.value.text)


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        pytest.param(PREDICT, b"\0", (), "INVALID_ARGUMENT", id="no frame"),
        pytest.param(PREDICT, framed(ONE, 1), (), "UNIMPLEMENTED", id="compressed"),
        pytest.param(PREDICT, framed(ONE) * 2, (), "UNIMPLEMENTED", id="a stream of requests"),
        pytest.param(API + "PredictionService/Other", framed(ONE), (), "UNIMPLEMENTED", id="no such method"),
        pytest.param(PREDICT, framed(ONE), ("grpc-timeout: soon",), "INVALID_ARGUMENT", id="no timeout"),
        pytest.param(PREDICT, framed(ONE), ("grpc-timeout: 0m",), "DEADLINE_EXCEEDED", id="no time"),
        pytest.param(PREDICT, framed(bytes(LIMIT_BYTES)), (), "RESOURCE_EXHAUSTED", id="too large"),
    ],
)
def test_calls_that_are_refused(
    server: ServerProcess, path: str, body: bytes, headers: tuple[str, ...], status: str
) -> None:
    """The answer is a call's, also where no method was asked."""
    given = outcome(exchange(server, path, body, *headers))
    assert (given.message, given.status[0]) == (None, status)
    assert given.status[1]


def test_time_limit(server: ServerProcess) -> None:
    """A run that takes longer than the client grants ends with its time."""
    waiting = predict_request(Target(model="slow", signature="wait"), {"ms": floats(50_000)})
    assert ask(server, PREDICT, waiting, "grpc-timeout: 50m").status[0] == "DEADLINE_EXCEEDED"


@pytest.mark.parametrize("kind", [BINARY, TEXT])
def test_large_messages(server: ServerProcess, kind: str) -> None:
    """Megabytes in both directions."""
    values = np.arange(400_000, dtype=np.float32)
    asked = predict_request(Target(model="half_plus_three"), {"x": values})
    given = ask(server, PREDICT, asked, kind=kind)
    assert given.status == ("OK", "")
    answer = message("tensorflow.serving.PredictResponse").FromString(given.message or b"")
    assert np.array_equal(np.array(answer.outputs["y"].float_val, np.float32), values / 2 + 3)


def test_large_string(server: ServerProcess) -> None:
    """One in base64, whose chunks are padded one by one."""
    payload = predict_request(Target(model="strings", signature="length"), {"s_bytes": text(b"x" * 1_000_000)})
    frame = framed(payload)
    chunks = [b64encode(frame[at : at + 1000]) for at in range(0, len(frame), 1000)]
    given = outcome(exchange(server, PREDICT, b"".join(chunks), kind=TEXT))
    assert given.status == ("OK", "")


def test_accept_says_how_the_answer_is_written(server: ServerProcess) -> None:
    """A client may send bytes and want text."""
    response = exchange(server, PREDICT, framed(ONE), f"Accept: {TEXT}")
    assert (response.headers["content-type"], outcome(response).status) == (TEXT, ("OK", ""))


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(request("GET", PREDICT), 404, id="GET"),
        pytest.param(request("POST", PREDICT, b"{}", "Content-Type: application/json"), 415, id="JSON"),
        pytest.param(request("POST", PREDICT, framed(ONE), "Content-Type: text/plain"), 415, id="a form's text"),
        pytest.param(request("POST", PREDICT, framed(ONE)), 415, id="no type"),
        pytest.param(request("POST", PREDICT, framed(ONE), "Content-Type: application/grpc"), 415, id="gRPC itself"),
        pytest.param(
            request("POST", "/grpc.health.v1.Health/Watch", framed(b""), f"Content-Type: {BINARY}"), 404, id="a stream"
        ),
        pytest.param(request("POST", "/no.Service/Method", framed(b""), f"Content-Type: {BINARY}"), 404, id="unknown"),
    ],
)
def test_what_is_no_call(server: ServerProcess, data: bytes, status: int) -> None:
    """HTTP answers: a page may not send such a body to another site without asking, which it may with others."""
    with RawConnection(server.rest_port) as connection:
        connection.send(data)
        assert connection.response().status == status


def test_other_sites(server: ServerProcess) -> None:
    """A listed site's script may ask, and may read the status, in the trailers or in the headers."""
    asks = ("Access-Control-Request-Method: POST", "Access-Control-Request-Headers: x-grpc-web, grpc-timeout")
    with RawConnection(server.rest_port) as connection:
        connection.send(request("OPTIONS", PREDICT, None, f"Origin: {ORIGIN}", *asks))
        allowed = connection.response()
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, ORIGIN)
    for payload in (ONE, b"\xff"):
        headers = exchange(server, PREDICT, framed(payload), f"Origin: {ORIGIN}").headers
        assert headers["access-control-allow-origin"] == ORIGIN
        assert {"Grpc-Status", "Grpc-Message"} <= {*headers["access-control-expose-headers"].split(", ")}


def test_what_is_known_of_calls(server: ServerProcess) -> None:
    """They count as REST's, by the names of gRPC's methods; a record has the code that HTTP's status does not tell."""
    for payload, name in ((ONE, "counted"), (predict_request(Target(model="none"), {}), "failed")):
        exchange(server, PREDICT, framed(payload), f"X-Request-Id: {name}")
    page = server.rest("GET", PAGE)[1].decode()
    assert 'request_latency_count{model_name="half_plus_two",API="Predict",entrypoint="REST"}' in page
    lines = [json.loads(server.wait_for(rf'"{name}"').string) for name in ("counted", "failed")]
    found = [(line["door"], line["protocol"], line["method"], line["code"], line["status"]) for line in lines]
    said = ("REST", "grpc-web", f"POST {PREDICT}")
    assert found == [(*said, "OK", 200), (*said, "NOT_FOUND", 200)]


def test_without_the_flag(servers: Servers) -> None:
    """The paths are unknown, as in TensorFlow Serving."""
    assert exchange(servers("native"), PREDICT, framed(ONE)).status == 404


def test_keys(models: Path, tmp_path: Path) -> None:
    """Headers are the metadata: a key opens what it is for, and reload needs the right for that."""
    file = tmp_path / "keys.json"
    key = make_key("page", "predict", "", str(file)).key
    flags = (f"--model_base_path={models / 'half_plus_two'}", "--rest_api_grpc_web", f"--api_keys_file={file}")
    payload = predict_request(Target(model="default"), {"x": floats(1)})
    bearer = f"Authorization: Bearer {key}"
    with ServerProcess(flags) as server:
        assert ask(server, PREDICT, payload).status[0] == "UNAUTHENTICATED"
        assert ask(server, PREDICT, payload, bearer).status == ("OK", "")
        reload = API + "ModelService/HandleReloadConfigRequest"
        assert ask(server, reload, b"", bearer).status[0] == "PERMISSION_DENIED"
