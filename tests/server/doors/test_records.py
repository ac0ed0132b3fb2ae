"""The access log, request ids and the times of the stages, for requests on every way in."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest

from tests.server.doors.clients import Target, floats, predict_request
from tests.server.doors.ways_in import OTHERS, PREDICTS, Way
from tests.support.raw import RawConnection, Response, request
from tests.support.server_process import ServerProcess, write_model_config

PREDICT = "/tensorflow.serving.PredictionService/Predict"
PATH = "/v1/models/half_plus_two:predict"
BODY = b'{"instances": [1.0]}'
STAGES = ("queue_ms", "decode_ms", "run_ms", "encode_ms")


@pytest.fixture(scope="module", params=["native", "grpcio"])
def server(request: pytest.FixtureRequest, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server with an access log as JSON, and with Server-Timing."""
    names = "half_plus_two", "half_plus_three", "classifier", "slow"
    config = write_model_config(
        tmp_path_factory.mktemp("records") / "models.config", {name: models / name for name in names}
    )
    flags = (
        f"--model_config_file={config}",
        f"--grpc_transport={request.param}",
        "--access_log=json",
        "--server_timing",
        "--allow_version_labels_for_unavailable_models",
    )
    with ExitStack() as stack:
        yield stack.enter_context(ServerProcess(flags))


def lines_of(server: ServerProcess, request_id: str) -> list[Mapping[str, Any]]:
    """The log's lines about a request, which has one for certain; no second one follows the next request's."""
    server.wait_for(f'"request_id": "{request_id}"')
    later = uuid4().hex
    server.rest("GET", "/v1/models/half_plus_two", headers={"x-request-id": later})
    server.wait_for(f'"request_id": "{later}"')
    said = [json.loads(line) for line in server.output if line.startswith("{")]
    return [line for line in said if line["request_id"] == request_id]


def line_of(server: ServerProcess, request_id: str) -> Mapping[str, Any]:
    (line,) = lines_of(server, request_id)
    return line


def exchanged(server: ServerProcess, *requests: bytes) -> list[Response]:
    with RawConnection(server.rest_port) as connection:
        connection.send(b"".join(requests))
        return [connection.response() for _ in requests]


@pytest.mark.parametrize("way", [*PREDICTS, *OTHERS], ids=str)
def test_every_way_in_has_one_line(server: ServerProcess, way: Way) -> None:
    """With the client's id, the door, how it ended, and times that are no more than the whole."""
    if way.transport != "native" or "reflection" in way.name.lower() or "watch" in way.name.lower():
        pytest.skip("a stream, or the way of the other transport")
    request_id = uuid4().hex
    outcome = way.send(server, way.payload, {"x-request-id": request_id})
    line = line_of(server, request_id)
    assert line["door"] == way.door
    assert (line["code"] == "OK") is (outcome.status == "OK")
    assert line["total_ms"] >= max(line[name] for name in STAGES)


def test_requests_with_the_same_head_have_ids_of_their_own(server: ServerProcess) -> None:
    """On the lane, where heads are remembered: each answer has another id, and its line the same one."""
    responses = exchanged(server, *[request("POST", PATH, BODY, "Content-Type: application/json")] * 3)
    ids = [response.headers["x-request-id"] for response in responses]
    assert len(set(ids)) == 3
    for each in ids:
        line = line_of(server, each)
        assert (line["model"], line["version"], line["signature"]) == ("half_plus_two", 124, "serving_default")
        assert (line["status"], line["engine"], line["request_bytes"]) == (200, "tensorflow", len(BODY))


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        pytest.param(request("POST", "/v1/models/none:predict", BODY), 404, "NOT_FOUND", id="no such model"),
        pytest.param(request("POST", PATH, b"{"), 400, "INVALID_ARGUMENT", id="no JSON"),
        pytest.param(request("GET", "/nothing"), 404, "NOT_FOUND", id="no such path"),
        pytest.param(request("GET", "/v1/models/none"), 404, "NOT_FOUND", id="no such status"),
        pytest.param(request("GET", "/healthz/ready"), 200, "OK", id="a probe"),
    ],
)
def test_errors_and_pages_have_lines_too(server: ServerProcess, sent: bytes, status: int, code: str) -> None:
    """With the status that the client saw."""
    (response,) = exchanged(server, sent)
    assert response.status == status
    line = line_of(server, response.headers["x-request-id"])
    assert (line["status"], line["code"]) == (status, code)


def test_an_answer_says_where_its_time_went(server: ServerProcess) -> None:
    """A run of 150 ms on other threads: in the header, in the metadata of gRPC, and in the log."""
    (response,) = exchanged(server, request("POST", "/v1/models/slow:predict", BODY))
    said = dict(part.split(";dur=") for part in response.headers["server-timing"].split(", "))
    assert set(said) == {"queue", "decode", "run", "encode", "total"}
    assert float(said["run"]) >= 100
    assert line_of(server, response.headers["x-request-id"])["run_ms"] == float(said["run"])
    with server.channel() as channel:
        call = channel.unary_unary(PREDICT)
        payload = predict_request(Target(model="half_plus_two"), {"x": floats(1)})
        _, answered = call.with_call(payload, metadata=(("x-request-id", "my-id"),))
        for metadata in (dict(answered.initial_metadata()), dict(answered.trailing_metadata())):
            assert metadata["x-request-id"] == "my-id"
            assert metadata["server-timing"].startswith("queue;dur=")
        with pytest.raises(grpc.RpcError) as it:
            call(predict_request(Target(model="none"), {"x": floats(1)}), metadata=(("x-request-id", "other"),))
        assert dict(it.value.trailing_metadata())["x-request-id"] == "other"


def test_a_client_that_does_not_wait_leaves_a_line(server: ServerProcess) -> None:
    """Cancelled over gRPC, gone over REST."""
    with server.channel() as channel:
        request_id = uuid4().hex
        call = channel.unary_unary(PREDICT)
        future = call.future(
            predict_request(Target(model="slow", signature="wait"), {"ms": floats(300)}),
            metadata=(("x-request-id", request_id),),
        )
        server.rest("GET", "/v1/models/slow")  # it has come by now, or comes soon
        future.cancel()
    over_rest = uuid4().hex
    body = json.dumps({"signature_name": "wait", "instances": [300]}).encode()
    with RawConnection(server.rest_port) as connection:
        connection.send(request("POST", "/v1/models/slow:predict", body, f"X-Request-Id: {over_rest}"))
        server.rest("GET", "/v1/models/slow")
    assert line_of(server, over_rest)["code"] == "CANCELLED"


def test_nothing_is_said_where_nothing_was_asked_for(models: Path) -> None:
    """Without the flags there are no ids, no times and no lines."""
    flags = f"--model_name=half_plus_two --model_base_path={models / 'half_plus_two'}".split()
    with ServerProcess(flags) as server:
        (response,) = exchanged(server, request("POST", PATH, BODY, "X-Request-Id: abc"))
        with server.channel() as channel:
            payload = predict_request(Target(model="half_plus_two"), {"x": floats(1)})
            _, call = channel.unary_unary(PREDICT).with_call(payload, metadata=(("x-request-id", "abc"),))
        assert response.headers.keys() == {"content-type", "date", "content-length"}
        assert not call.initial_metadata()
        assert not call.trailing_metadata()
    assert "abc" not in "".join(server.output)


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("--access_log=xml", "--access_log is 'xml'; expected text or json, or nothing for none"),
        ("--access_log=text --access_log_sampling_rate=2", "--access_log_sampling_rate is 2; expected a number from 0"),
    ],
)
def test_a_flag_that_says_nothing_ends_the_start(models: Path, flag: str, text: str) -> None:
    """With what was given, and what is expected."""
    server = ServerProcess([*flag.split(), f"--model_base_path={models / 'half_plus_two'}"], wait=False)
    assert server.wait() == 255
    assert text in "".join(server.output)
