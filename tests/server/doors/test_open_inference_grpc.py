"""The Open Inference Protocol over gRPC, at both transports: its messages, its errors, its stream."""

import queue
from collections.abc import Iterator, Mapping
from typing import Any

import grpc
import numpy as np
import pytest

from serving.codecs.open_inference.datatypes import DATATYPES
from serving.core.tensor import DataType, Tensor
from serving.protos import message
from tests.server.doors.conftest import Servers
from tests.support.server_process import START_SECONDS, ServerProcess
from tests.unit.codecs.v2_messages import add_raw, add_typed, numbers, raw_of, request, strings

SERVICE = "/inference.GRPCInferenceService/"
SIGNATURES = {DataType.FLOAT: "float", DataType.DOUBLE: "double", DataType.HALF: "half"}
HALF = "half_plus_three"
X = numbers(DataType.FLOAT, 1, 2, 5)


class V2Client:
    """The service on one channel."""

    def __init__(self, server: ServerProcess) -> None:
        self.channel = server.channel()

    def call(self, method: str, **fields: Any) -> Any:
        """A call with these fields; raises grpc.RpcError."""
        return self.send(method, message(f"inference.{method}Request")(**fields).SerializeToString())

    def send(self, method: str, payload: bytes) -> Any:
        """A call with these bytes."""
        data = self.channel.unary_unary(SERVICE + method)(payload, timeout=START_SECONDS)
        return message(f"inference.{method}Response").FromString(data)

    def infer(self, made: Any) -> Any:
        """ModelInfer."""
        return self.send("ModelInfer", made.SerializeToString())

    def refused(self, method: str, payload: bytes) -> tuple[str, str]:
        """The code and the text of an error."""
        with pytest.raises(grpc.RpcError) as error:
            self.send(method, payload)
        return error.value.code().name, error.value.details()

    def stream(self, requests: Any) -> Iterator[Any]:
        """ModelStreamInfer: the answers to serialised requests."""
        call = self.channel.stream_stream(SERVICE + "ModelStreamInfer")
        return map(message("inference.ModelStreamInferResponse").FromString, call(requests, timeout=START_SECONDS))


@pytest.fixture(scope="module")
def client(transport: str, servers: Servers) -> Iterator[V2Client]:
    """A client of the transport."""
    made = V2Client(servers(transport))
    yield made
    made.channel.close()


def asked(model: str = HALF, tensor: Tensor = X, name: str = "x", **fields: Any) -> Any:
    """A request with one raw input."""
    return add_raw(request(model_name=model, **fields), name, tensor)


def outputs(answer: Any) -> Mapping[str, tuple[str, tuple[int, ...], bytes]]:
    """Datatype, shape and raw contents by name."""
    found = zip(answer.outputs, answer.raw_output_contents, strict=True)
    return {each.name: (each.datatype, tuple(each.shape), contents) for each, contents in found}


def floats(*values: float) -> tuple[str, tuple[int, ...], bytes]:
    return "FP32", (len(values),), np.array(values, np.float32).tobytes()


def with_signature(made: Any, signature: str) -> Any:
    made.parameters["signature_name"].string_param = signature
    return made


@pytest.mark.parametrize("dtype", [pytest.param(each, id=DATATYPES[each]) for each in DATATYPES])
@pytest.mark.parametrize("add", [add_raw, add_typed])
def test_every_datatype(client: V2Client, dtype: DataType, add: Any) -> None:
    """Sent raw, and typed where there are such contents; answered raw, as often as it is asked."""
    if add is add_typed and dtype in (DataType.HALF, DataType.BFLOAT16):
        pytest.skip("has no typed contents")
    tensor = strings(b"", b"\xff\0", b"text") if dtype is DataType.STRING else numbers(dtype, 0, 1, 1)
    made = with_signature(add(request(model_name="dtypes"), "x", tensor), SIGNATURES.get(dtype, dtype.word))
    for _ in range(10):  # from the second on its form is known
        answer = client.infer(made)
        assert outputs(answer) == {"y": (DATATYPES[dtype], (3,), raw_of(tensor))}
        assert (answer.model_name, answer.model_version, answer.id) == ("dtypes", "1", "")


def test_id_is_repeated(client: V2Client) -> None:
    """Each answer has its own request's."""
    for index in range(20):
        answer = client.infer(asked(tensor=numbers(DataType.FLOAT, index), id=f"id-{index:02}"))
        assert (answer.id, outputs(answer)) == (f"id-{index:02}", {"y": floats(index / 2 + 3)})


def test_large_tensors(client: V2Client) -> None:
    """They are read, and written, on workers."""
    values = np.arange(600_000, dtype=np.float32)
    for _ in range(2):
        answer = client.infer(asked(tensor=Tensor(DataType.FLOAT, values)))
        assert answer.raw_output_contents[0] == (values / 2 + 3).tobytes()
    typed = add_typed(request(model_name=HALF), "x", Tensor(DataType.FLOAT, values[:200_000]))
    assert client.infer(typed).raw_output_contents[0] == (values[:200_000] / 2 + 3).tobytes()


def test_several_inputs_in_any_order_and_some_outputs(client: V2Client) -> None:
    """Outputs come in the order in which they are asked for."""
    made = request(model_name="multi")
    add_raw(made, "b", numbers(DataType.INT32, 10))
    add_raw(made, "a", Tensor(DataType.FLOAT, np.ones((1, 2), np.float32)))
    expected = {
        "sum": ("FP32", (1, 2), np.array([11, 11], np.float32).tobytes()),
        "b2": ("INT32", (1,), np.array([20], np.int32).tobytes()),
    }
    assert outputs(client.infer(made)) == expected
    for names in (("b2", "sum"), ("b2",)):
        del made.outputs[:]
        for name in names:
            made.outputs.add(name=name)
        for _ in range(10):
            assert list(outputs(client.infer(made)).items()) == [(name, expected[name]) for name in names]


def test_default_inputs_and_scalars(client: V2Client) -> None:
    """What a signature has a default for may be left out; a scalar has no dimensions."""
    a = Tensor(DataType.FLOAT, np.ones((1, 2), np.float32))
    for _ in range(10):
        left_out = client.infer(with_signature(asked("multi", a, "a"), "with_default"))
        scalar = client.infer(with_signature(asked("multi", a, "a"), "scalar"))
        assert left_out.raw_output_contents[0] == np.array([11, 11], np.float32).tobytes()
        assert outputs(scalar) == {"scalar": ("FP32", (), np.array(2, np.float32).tobytes())}


def test_classes(client: V2Client) -> None:
    """The highest values instead of all, however often it is asked."""
    made = asked()
    made.outputs.add(name="y").parameters["classification"].int64_param = 2
    for _ in range(10):
        ((datatype, shape, contents),) = outputs(client.infer(made)).values()
        assert (datatype, shape) == ("BYTES", (2,))
        assert contents == raw_of(strings(b"5.500000:2", b"4.000000:1"))


@pytest.mark.parametrize(("version", "expected"), [("", "3"), ("1", "1"), ("stable", "1"), ("canary", "2")])
def test_versions(client: V2Client, version: str, expected: str) -> None:
    """The latest, one by its number, one by its label; the answer says which that was."""
    ready = client.call("ModelReady", name="labels", version=version).ready
    config = client.call("ModelConfig", name="labels", version=version).config
    (name,) = [each.name for each in config.input]
    answer = client.infer(asked("labels", X, name, model_version=version))
    assert (ready, answer.model_version) == (True, expected)


def test_server(client: V2Client) -> None:
    """Live, ready, and what it is."""
    assert client.call("ServerLive").live
    assert client.call("ServerReady").ready
    metadata = client.call("ServerMetadata")
    assert metadata.name
    assert metadata.version
    assert "classification" in metadata.extensions


def test_model(client: V2Client) -> None:
    """Metadata and configuration have the signature's tensors; statistics count what was asked."""
    metadata = client.call("ModelMetadata", name=HALF)
    (x,), (y,) = metadata.inputs, metadata.outputs
    assert (metadata.platform, list(metadata.versions)) == ("tensorflow_savedmodel", ["1"])
    assert (x.name, x.datatype, list(x.shape)) == ("x", "FP32", [-1])
    assert (y.name, y.datatype, list(y.shape)) == ("y", "FP32", [-1])
    config = client.call("ModelConfig", name=HALF).config
    assert (config.name, config.input[0].data_type, config.input[0].dims) == (HALF, 11, [-1])
    client.infer(asked())
    (found,) = client.call("ModelStatistics", name=HALF).model_stats
    before = found.inference_count
    client.infer(asked())
    (found,) = client.call("ModelStatistics", name=HALF).model_stats
    assert (found.version, found.inference_count) == ("1", before + 1)
    assert found.inference_stats.success.ns > 0
    assert {each.name for each in client.call("ModelStatistics").model_stats} > {HALF, "labels"}
    assert not client.call("ModelReady", name="none").ready


@pytest.mark.parametrize("kind", ["System", "Cuda"])
def test_shared_memory(client: V2Client, kind: str) -> None:
    """There are no regions, and none can be registered; to forget them is no mistake."""
    assert not client.call(f"{kind}SharedMemoryStatus").regions
    client.call(f"{kind}SharedMemoryUnregister", name="r")
    payload = message(f"inference.{kind}SharedMemoryRegisterRequest")(name="r").SerializeToString()
    code, text = client.refused(f"{kind}SharedMemoryRegister", payload)
    assert (code, "takes no memory of its clients" in text) == ("UNIMPLEMENTED", True)


def test_settings(client: V2Client) -> None:
    """They say what is in effect; none can be changed."""
    assert list(client.call("TraceSetting").settings["trace_level"].value) == ["OFF"]
    logs = client.call("LogSettings").settings
    assert logs["log_info"].bool_param
    assert logs["log_verbose_level"].WhichOneof("parameter_choice") == "uint32_param"
    for method in ("TraceSetting", "LogSettings"):
        made = message(f"inference.{method}Request")()
        made.settings["trace_level" if method == "TraceSetting" else "log_info"].SetInParent()
        code, text = client.refused(method, made.SerializeToString())
        assert (code, "cannot be changed" in text) == ("UNIMPLEMENTED", True)


def test_index(client: V2Client) -> None:
    """Every version with its state."""
    found = client.call("RepositoryIndex", ready=True).models
    assert (HALF, "1", "READY") in {(each.name, each.version, each.state) for each in found}


@pytest.mark.parametrize("what", ["Load", "Unload"])
def test_models_that_are_not_there_are_not_loaded(client: V2Client, what: str) -> None:
    """With the texts that REST has; a request without a name is a mistake."""
    method = f"RepositoryModel{what}"
    kind = message(f"inference.{method}Request")
    assert client.refused(method, kind(model_name="nobody").SerializeToString())[0] == "NOT_FOUND"
    assert client.refused(method, b"")[0] == "INVALID_ARGUMENT"


METHODS = (
    *("ModelInfer", "ServerReady", "ServerLive", "ServerMetadata", "ModelReady", "ModelMetadata", "ModelConfig"),
    *("ModelStatistics", "SystemSharedMemoryStatus", "TraceSetting", "LogSettings", "RepositoryIndex"),
    *("RepositoryModelLoad", "RepositoryModelUnload"),
)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("payload", [b"\xff", b"\x0a\x7f", b"\x0b" * 100_000], ids=["tag", "field", "groups"])
def test_undecodable_request(client: V2Client, method: str, payload: bytes) -> None:
    """Bytes that are no message are told from bugs of ours."""
    code, text = client.refused(method, payload)
    assert code == "INTERNAL"
    assert text == f"Cannot parse the request of {len(payload)} bytes; expected a inference.{method}Request message"


@pytest.mark.parametrize(
    ("made", "code", "text"),
    [
        pytest.param(request(model_name=""), "INVALID_ARGUMENT", "no model_name", id="no model"),
        pytest.param(asked("none"), "NOT_FOUND", "none", id="unknown model"),
        pytest.param(asked(model_version="77"), "NOT_FOUND", "77", id="unknown version"),
        pytest.param(request(model_name=HALF), "INVALID_ARGUMENT", "Missing but required: {x}", id="no input"),
        pytest.param(asked(name="z"), "INVALID_ARGUMENT", "z", id="another input"),
        pytest.param(asked(tensor=strings(b"a")), "INVALID_ARGUMENT", "has the datatype BYTES", id="another datatype"),
        pytest.param(with_signature(asked(), "no"), "INVALID_ARGUMENT", 'no signature "no"', id="unknown signature"),
        pytest.param(
            add_typed(asked(), "z", X), "INVALID_ARGUMENT", "2 inputs and 1 raw_input_contents", id="mixed contents"
        ),
        pytest.param(
            asked("failing", numbers(DataType.FLOAT, -1)), "INVALID_ARGUMENT", "x must not be negative", id="the model"
        ),
    ],
)
def test_errors(client: V2Client, made: Any, code: str, text: str) -> None:
    """With the code that TensorFlow Serving has for the same, and a text, each time."""
    for _ in range(10):
        found = client.refused("ModelInfer", made.SerializeToString())
        assert (found[0], text in found[1]) == (code, True)


@pytest.mark.parametrize("method", ["ModelMetadata", "ModelConfig", "ModelStatistics"])
def test_unknown_models_have_no_description(client: V2Client, method: str) -> None:
    """NOT_FOUND; a description of no model is a mistake."""
    payload = message(f"inference.{method}Request")(name="none").SerializeToString()
    assert client.refused(method, payload)[0] == "NOT_FOUND"
    if method != "ModelStatistics":
        assert client.refused(method, b"")[0] == "INVALID_ARGUMENT"


def test_time_limit(client: V2Client) -> None:
    """The parameter, in microseconds, bounds a run of 150 ms."""
    made = asked("slow")
    made.inputs[0].name = client.call("ModelMetadata", name="slow").inputs[0].name
    made.parameters["timeout"].int64_param = 20_000
    assert client.refused("ModelInfer", made.SerializeToString())[0] == "DEADLINE_EXCEEDED"


def test_stream_answers_in_order(client: V2Client) -> None:
    """Slow requests before fast ones, and an error in between, after which the stream goes on."""
    slow = client.call("ModelMetadata", name="slow").inputs[0].name
    requests = [
        asked("slow", X, slow, id="0"),
        asked(id="1"),
        asked("none", id="2"),
        asked(tensor=Tensor(DataType.FLOAT, np.ones(600_000, np.float32)), id="3"),
        asked(id="4"),
    ]
    answers = list(client.stream(each.SerializeToString() for each in requests))
    assert [each.infer_response.id for each in answers] == ["0", "1", "2", "3", "4"]
    assert [bool(each.error_message) for each in answers] == [False, False, True, False, False]
    assert "none" in answers[2].error_message
    assert outputs(answers[4].infer_response) == {"y": floats(3.5, 4, 5.5)}


def test_stream_takes_bytes_that_are_no_message(client: V2Client) -> None:
    """They are answered as every mistake."""
    first, second = client.stream(iter([b"\xff", asked(id="1").SerializeToString()]))
    assert first.error_message.startswith("Cannot parse the request of 1 bytes")
    assert (second.error_message, second.infer_response.id) == ("", "1")


def test_a_client_that_goes_takes_nothing_with_it(client: V2Client) -> None:
    """A stream that is given up in a request, or without one, leaves the others alone."""
    sent: queue.Queue[bytes | None] = queue.Queue()
    call = client.channel.stream_stream(SERVICE + "ModelStreamInfer")(iter(sent.get, None), timeout=START_SECONDS)
    sent.put(asked().SerializeToString())
    next(call)
    sent.put(asked("slow").SerializeToString())
    call.cancel()
    sent.put(None)
    (answer,) = client.stream(iter([asked(id="1").SerializeToString()]))
    assert answer.infer_response.id == "1"


def test_typed_values_are_checked(client: V2Client) -> None:
    """They are not wrapped."""
    made = with_signature(request(model_name="dtypes"), "int8")
    made.inputs.add(name="x", datatype="INT8", shape=[1], contents={"int_contents": [300]})
    code, text = client.refused("ModelInfer", made.SerializeToString())
    assert (code, "value 300; expected -128 to 127" in text) == ("INVALID_ARGUMENT", True)
