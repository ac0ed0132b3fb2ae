"""What only the gRPC door has: its messages, its codes, its encodings. The same at both transports."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.protos import message
from serving.rpc.handler import time_limit_ms
from tests.server.doors.clients import GrpcClient, RefusedError, Target, floats, predict_request, to_proto
from tests.server.doors.conftest import Servers
from tests.support.server_process import ServerProcess

PREDICT = "PredictionService/Predict"
METHODS = (
    PREDICT,
    "PredictionService/Classify",
    "PredictionService/Regress",
    "PredictionService/MultiInference",
    "PredictionService/GetModelMetadata",
    "ModelService/GetModelStatus",
)
ONE = {"x": floats(1, 2, 5)}
MULTI = {"a": np.ones((1, 2), np.float32), "b": np.array([10], np.int32)}


@pytest.fixture(scope="module")
def client(transport: str, servers: Servers) -> Iterator[GrpcClient]:
    """A client of the transport."""
    made = GrpcClient(servers(transport))
    yield made
    made.close()


def response(data: bytes) -> Any:
    """A PredictResponse."""
    return message("tensorflow.serving.PredictResponse").FromString(data)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"\xff", id="cut varint"),
        pytest.param(b"\x0a\x7f", id="cut field"),
        pytest.param(b"\x00\x00", id="field 0"),
        pytest.param(b"\x0a\x03\x0a\x01\xff", id="text that is not UTF-8"),
        pytest.param(b"\x0b" * 100_000, id="nested groups"),
    ],
)
def test_undecodable_request(client: GrpcClient, method: str, payload: bytes) -> None:
    """Bytes that are no message are told from bugs of ours."""
    with pytest.raises(RefusedError) as refused:
        client.call(method, payload)
    assert refused.value.code == "INTERNAL"
    assert refused.value.text.startswith(f"Cannot parse the request of {len(payload)} bytes; expected a ")


@pytest.mark.parametrize("method", METHODS)
def test_empty_request(client: GrpcClient, method: str) -> None:
    """No bytes are a message without fields, which names no model."""
    with pytest.raises(RefusedError) as refused:
        client.call(method, b"")
    assert refused.value.code == "INVALID_ARGUMENT"
    assert "ModelSpec" in refused.value.text


@pytest.mark.parametrize(
    "method",
    [
        pytest.param("PredictionService/Nothing", id="method"),
        pytest.param("Nothing/Predict", id="service"),
        pytest.param("PredictionService/predict", id="case"),
        pytest.param("SessionService/SessionRun", id="not served"),
    ],
)
def test_unknown_method(client: GrpcClient, method: str) -> None:
    """UNIMPLEMENTED, and the channel stays good."""
    with pytest.raises(RefusedError) as refused:
        client.call(method, b"")
    assert refused.value.code == "UNIMPLEMENTED"
    assert client.predict(Target(model="labels", version=1), ONE)["y"].tolist() == [2.0, 3.0, 6.0]


@pytest.mark.parametrize(
    ("length", "cut"), [pytest.param(900, False, id="short enough"), pytest.param(1100, True, id="too long")]
)
def test_long_texts_are_cut(client: GrpcClient, length: int, cut: bool) -> None:
    """From 1,024 bytes on a text is cut and marked; REST sends it whole."""
    name = "n" * length
    whole = f"Servable not found for request: Latest({name})"
    with pytest.raises(RefusedError) as refused:
        client.predict(Target(model=name), ONE)
    assert refused.value.text == (whole[:1024] + "...TRUNCATED" if cut else whole)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param((), {"sum", "b2"}, id="none"),
        pytest.param(("b2",), {"b2"}, id="one"),
        pytest.param(("b2", "sum"), {"sum", "b2"}, id="all"),
    ],
)
def test_output_filter(client: GrpcClient, names: tuple[str, ...], expected: set[str]) -> None:
    """Only the outputs that are named come back; no name means all of them."""
    data = client.call(PREDICT, predict_request(Target(model="multi"), MULTI, output_filter=names))
    assert set(response(data).outputs) == expected


@pytest.mark.parametrize(
    ("names", "text"),
    [
        pytest.param(("none",), "output tensor alias not found in signature: none", id="unknown"),
        pytest.param(("b2", "b2"), "duplicate output tensor alias: b2", id="twice"),
    ],
)
def test_bad_output_filter(client: GrpcClient, names: tuple[str, ...], text: str) -> None:
    """INVALID_ARGUMENT, and which name it is."""
    with pytest.raises(RefusedError) as refused:
        client.call(PREDICT, predict_request(Target(model="multi"), MULTI, output_filter=names))
    assert refused.value.code == "INVALID_ARGUMENT"
    assert refused.value.text.startswith(text)


def test_answer_names_the_version_and_signature(client: GrpcClient) -> None:
    """The label is resolved, and the default signature has its name."""
    spec = response(client.call(PREDICT, predict_request(Target(model="labels", label="canary"), ONE))).model_spec
    assert (spec.name, spec.version.value, spec.version_label) == ("labels", 2, "")
    assert spec.signature_name == "serving_default"


def test_answer_is_in_typed_fields(client: GrpcClient) -> None:
    """One entry per element; tensor_content stays empty."""
    tensor = response(client.call(PREDICT, predict_request(Target(model="labels"), ONE))).outputs["y"]
    assert (list(tensor.float_val), tensor.tensor_content) == ([4.0, 5.0, 8.0], b"")
    assert [dimension.size for dimension in tensor.tensor_shape.dim] == [3]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([1.0, 2.0, 5.0], [4.0, 5.0, 8.0], id="all"),
        pytest.param([1.0, 2.0], [4.0, 5.0, 5.0], id="the last one is repeated"),
        pytest.param([], [3.0, 3.0, 3.0], id="none are zeros"),
        pytest.param([1.0, 2.0, 5.0, 7.0], [4.0, 5.0, 8.0], id="surplus is ignored"),
    ],
)
def test_request_in_typed_fields(client: GrpcClient, values: list[float], expected: list[float]) -> None:
    """Typed fields are taken like tensor_content, also when their number does not fit the shape."""
    request = message("tensorflow.serving.PredictRequest").FromString(predict_request(Target(model="labels"), {}))
    tensor = to_proto(floats(0, 0, 0))
    tensor.ClearField("tensor_content")
    tensor.float_val.extend(values)
    request.inputs["x"].CopyFrom(tensor)
    outputs = response(client.call(PREDICT, request.SerializeToString())).outputs
    assert list(outputs["y"].float_val) == expected


def test_call_without_a_deadline(client: GrpcClient) -> None:
    """None is needed."""
    call = client.channel.unary_unary(f"/tensorflow.serving.{PREDICT}")
    data = call(predict_request(Target(model="slow"), ONE))
    assert list(response(data).outputs["y"].float_val) == [1.0, 2.0, 5.0]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, 0), (30.0, 30_000), (0.0125, 13), (0.0004, 1), (0.0, 1), (-1.0, 1)],
    ids=["none", "whole", "rounded up", "less than one", "over", "long over"],
)
def test_time_limit_of_a_deadline(seconds: float | None, expected: int) -> None:
    """A deadline never becomes 0, which would be no limit at all, however little of it is left."""
    assert time_limit_ms(seconds) == expected


@pytest.fixture(scope="module")
def with_content(transport: str, models: Path) -> Iterator[ServerProcess]:
    """A server that answers in tensor_content."""
    flags = (
        f"--grpc_transport={transport}",
        f"--model_base_path={models / 'half_plus_three'}",
        "--enable_serialization_as_tensor_content",
    )
    with ServerProcess(flags) as server:
        yield server


def test_answer_in_tensor_content(with_content: ServerProcess) -> None:
    """With the flag the values come as one block of bytes; REST answers as ever."""
    client = GrpcClient(with_content)
    tensor = response(client.call(PREDICT, predict_request(Target(model="default"), ONE))).outputs["y"]
    client.close()
    assert (list(tensor.float_val), tensor.tensor_content) == ([], floats(3.5, 4.0, 5.5).tobytes())
    assert with_content.rest("POST", "/v1/models/default:predict", '{"inputs": [1.0]}')[0] == 200
