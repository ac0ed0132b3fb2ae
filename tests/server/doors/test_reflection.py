"""Server reflection, as tools use it: from an address alone to services, messages and a call."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from serving.protos import message
from serving.rpc.api.reflection import Reflection
from tests.support.request_layer import admit_all
from tests.support.server_process import START_SECONDS, ServerProcess

PACKAGES = ["grpc.reflection.v1", "grpc.reflection.v1alpha"]
SERVICES = {
    "tensorflow.serving.PredictionService",
    "tensorflow.serving.ModelService",
    "inference.GRPCInferenceService",
    *(f"{package}.ServerReflection" for package in PACKAGES),
}


@pytest.fixture(scope="module")
def server(transport: str, models: Path) -> Iterator[ServerProcess]:
    """A server with one thread for calls."""
    flags = (f"--grpc_transport={transport}", f"--model_base_path={models / 'half_plus_three'}", "--grpc_max_threads=1")
    with ServerProcess(flags) as running:
        yield running
    assert running.process.returncode == 0
    assert "Traceback" not in "".join(running.output)


@pytest.fixture
def channel(server: ServerProcess) -> Iterator[grpc.Channel]:
    with server.channel() as opened:
        yield opened


def test_services_are_listed(channel: grpc.Channel) -> None:
    """Those that are served, reflection itself included; health only with its flag."""
    assert set(ProtoReflectionDescriptorDatabase(channel).get_services()) == SERVICES


def test_health_is_listed_with_its_flag(transport: str, models: Path) -> None:
    """A tool finds the health service where it is on."""
    flags = (
        f"--grpc_transport={transport}",
        f"--model_base_path={models / 'half_plus_three'}",
        "--enable_grpc_healthcheck_service",
    )
    with ServerProcess(flags) as server, server.channel() as channel:
        assert "grpc.health.v1.Health" in ProtoReflectionDescriptorDatabase(channel).get_services()


def test_call_from_what_reflection_tells(channel: grpc.Channel) -> None:
    """A client that knows only the name of the service finds the messages and is answered."""
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    method = pool.FindServiceByName("tensorflow.serving.PredictionService").methods_by_name["Predict"]
    request_class, response_class = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    request: Any = request_class()
    request.model_spec.name = "default"
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_shape.SetInParent()
    request.inputs["x"].float_val.append(1.0)
    call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    response: Any = response_class.FromString(call(request.SerializeToString(), timeout=START_SECONDS))
    assert list(response.outputs["y"].float_val) == [3.5]


@pytest.mark.parametrize("package", PACKAGES)
def test_both_names_of_the_service_are_described(channel: grpc.Channel, package: str) -> None:
    """The newer name has a definition too, which the official package lacks."""
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    service = pool.FindServiceByName(f"{package}.ServerReflection")
    method = service.methods_by_name["ServerReflectionInfo"]
    assert method.input_type.full_name == f"{package}.ServerReflectionRequest"


@pytest.mark.parametrize("package", PACKAGES)
def test_one_stream_has_many_answers(channel: grpc.Channel, package: str) -> None:
    """Each request of a stream is answered before the next one is sent, in the messages of that package."""
    answers = ask(channel, package, [{"list_services": ""}, {"file_containing_symbol": "no.Such"}, {"host": "h"}])
    assert [answer.WhichOneof("message_response") for answer in answers] == [
        "list_services_response",
        "error_response",
        "error_response",
    ]
    assert (answers[2].valid_host, answers[2].original_request.host) == ("h", "h")


def ask(channel: grpc.Channel, package: str, requests: Iterable[dict[str, str]]) -> list[Any]:
    """The answers to requests on one stream."""
    request_class = message(f"{package}.ServerReflectionRequest")
    call = channel.stream_stream(
        f"/{package}.ServerReflection/ServerReflectionInfo",
        request_class.SerializeToString,
        message(f"{package}.ServerReflectionResponse").FromString,
    )
    return list(call((request_class(**each) for each in requests), timeout=START_SECONDS))


def test_bytes_that_are_no_request(channel: grpc.Channel) -> None:
    """INTERNAL, and nothing of ours in the text."""
    call = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    with pytest.raises(grpc.RpcError) as error:
        list(call(iter([b"\xff"]), timeout=START_SECONDS))
    assert error.value.code().name == "INTERNAL"
    assert error.value.details() == "Expected a grpc.reflection.v1.ServerReflectionRequest message"


def test_open_streams_do_not_hold_the_server_up(transport: str, models: Path) -> None:
    """A tool that keeps its stream open is cut off when the server drains."""
    flags = (
        f"--grpc_transport={transport}",
        f"--model_base_path={models / 'half_plus_three'}",
        "--drain_grace_seconds=1000",
    )
    with ServerProcess(flags) as server, server.channel() as channel:
        request = message("grpc.reflection.v1.ServerReflectionRequest")(list_services="")
        asked = Asked([request.SerializeToString()])
        stream = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")(asked)
        assert next(stream)
        server.terminate()
        assert server.wait() == 0
        with pytest.raises(grpc.RpcError):
            next(stream)
        asked.close()


class Asked:
    """Requests of a stream that stays open until ``close``."""

    def __init__(self, requests: Iterable[bytes]) -> None:
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        for each in requests:
            self._queue.put(each)

    def __iter__(self) -> "Asked":
        return self

    def __next__(self) -> bytes:
        data = self._queue.get()
        if data is None:
            raise StopIteration
        return data

    def close(self) -> None:
        self._queue.put(None)


def answer(**request: Any) -> Any:
    """The answer to one request, without a server."""
    package = PACKAGES[0]
    data = Reflection(["a.Service"], admit_all).answer(
        package, message(f"{package}.ServerReflectionRequest")(**request).SerializeToString()
    )
    return message(f"{package}.ServerReflectionResponse").FromString(data)


@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        pytest.param("tensorflow.serving.PredictionService", "prediction_service.proto", id="service"),
        pytest.param("tensorflow.serving.PredictionService.Predict", "prediction_service.proto", id="method"),
        pytest.param("tensorflow.TensorProto", "tensor.proto", id="message"),
        pytest.param("tensorflow.TensorProto.dtype", "tensor.proto", id="field"),
        pytest.param("tensorflow.DataType", "types.proto", id="enum"),
        pytest.param("grpc.health.v1.Health", "health.proto", id="health"),
    ],
)
def test_file_of_a_symbol(symbol: str, file: str) -> None:
    """The file with the symbol comes first; everything it imports follows, so that it can be used."""
    given = answer(file_containing_symbol=symbol).file_descriptor_response.file_descriptor_proto
    protos = [FileDescriptorProto.FromString(data) for data in given]
    assert protos[0].name.endswith(f"/{file}")
    names = [proto.name for proto in protos]
    assert len(set(names)) == len(names)
    assert {dependency for proto in protos for dependency in proto.dependency} <= set(names)


def test_file_by_name() -> None:
    """A file can be asked for by its own name."""
    given = answer(file_by_filename="tensorflow/core/framework/types.proto").file_descriptor_response
    assert FileDescriptorProto.FromString(given.file_descriptor_proto[0]).package == "tensorflow"


TENSOR = "tensorflow.TensorProto"


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        ({"file_containing_symbol": "a.Service"}, 5, "Symbol not found."),
        ({"file_containing_symbol": "tensorflow.serving.PredictionService.Nope"}, 5, "Symbol not found."),
        ({"file_containing_symbol": ""}, 5, "Symbol not found."),
        ({"file_by_filename": "nope.proto"}, 5, "File not found."),
        ({"all_extension_numbers_of_type": "nope"}, 5, "Type not found."),
        ({"file_containing_extension": {"containing_type": "nope"}}, 5, "Type not found."),
        ({"file_containing_extension": {"containing_type": TENSOR}}, 5, "Extension not found."),
        ({}, 12, ""),
    ],
)
def test_what_there_is_not(request_: dict[str, Any], code: int, text: str) -> None:
    """An error in the answer, not of the stream; the words are those of gRPC's C++ servers."""
    error = answer(**request_).error_response
    assert (error.error_code, error.error_message) == (code, text)


def test_messages_have_no_extensions() -> None:
    """None for a known type."""
    numbers = answer(all_extension_numbers_of_type=TENSOR).all_extension_numbers_response
    assert (numbers.base_type_name, list(numbers.extension_number)) == (TENSOR, [])
