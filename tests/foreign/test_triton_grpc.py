"""Triton's own Python client over gRPC, which knows nothing of this server: synchronous, in a stream, and asyncio."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from serving.protos import POOL
from tests.support.environments import environment, run
from tests.support.server_process import ServerProcess, write_model_config

CLIENT = "tritonclient[grpc]==2.73.0"
MODELS = ("dtypes", "strings", "multi")

SCRIPT = """
import asyncio, json, queue, sys
import ml_dtypes
import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as aio
from google.protobuf import json_format
from tritonclient.utils import InferenceServerException

url = sys.argv[1]
client = triton.InferenceServerClient(url)


def given(name, datatype, array):
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array)
    return made


def infer(model, *inputs, **more):
    return client.infer(model, list(inputs), **more)


def refused(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except InferenceServerException as error:
        return error.status(), error.message()
    return "nothing"


floats = np.arange(6, dtype=np.float32) / 7
both = given("a", "FP32", np.array([[1, 2], [3, 4]], np.float32)), given("b", "INT32", np.array([10, 20], np.int32))
texts = np.array(["one", "äöü".encode(), b"\\xff\\x00"], object)
bf16 = np.array([1.5, -2.0], ml_dtypes.bfloat16)
large = np.arange(1_000_000, dtype=np.float32)
signature = {"signature_name": "bfloat16"}
found = {
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "models ready": [client.is_model_ready(name) for name in ("dtypes", "nobody")],
    "version ready": [client.is_model_ready("dtypes", version) for version in ("1", "2")],
    "server": client.get_server_metadata(as_json=True),
    "metadata": client.get_model_metadata("multi", "1", as_json=True),
    "config": client.get_model_config("multi", as_json=True)["config"],
    "floats": infer("dtypes", given("x", "FP32", floats)).as_numpy("y").tolist() == floats.tolist(),
    "large": infer("dtypes", given("x", "FP32", large)).as_numpy("y").tolist() == large.tolist(),
    "bf16": infer("dtypes", given("x", "BF16", bf16), parameters=signature).as_numpy("y").astype(float).tolist(),
    "texts": infer("strings", given("s", "BYTES", texts)).as_numpy("out").tolist()
    == [b"one", "äöü".encode(), b"\\xff\\x00"],
    "id": [infer("dtypes", given("x", "FP32", floats), request_id=str(n)).get_response().id for n in range(10)],
    "wanted": [
        each.name
        for each in infer(
            "multi", *both, outputs=[triton.InferRequestedOutput("b2"), triton.InferRequestedOutput("sum")]
        ).get_response().outputs
    ],
    "classes": infer("multi", *both, outputs=[triton.InferRequestedOutput("sum", class_count=1)])
    .as_numpy("sum").astype(str).tolist(),
    "limits": infer("dtypes", given("x", "FP32", floats), priority=1, timeout=5_000_000).as_numpy("y").shape,
    "compressed": infer("dtypes", given("x", "FP32", floats), compression_algorithm="gzip").as_numpy("y").shape,
    "unknown model": refused(client.infer, "nobody", [given("x", "FP32", floats)]),
    "datatype": refused(client.infer, "dtypes", [given("x", "FP64", floats.astype(np.float64))]),
    "no metadata": refused(client.get_model_metadata, "nobody"),
    "memory": [
        client.get_system_shared_memory_status(as_json=True), client.get_cuda_shared_memory_status(as_json=True)
    ],
    "register": refused(client.register_system_shared_memory, "region", "/key", 64),
    "trace": client.get_trace_settings(as_json=True)["settings"]["trace_level"],
    "log": client.get_log_settings(as_json=True)["settings"]["log_info"],
    "no trace": refused(client.update_trace_settings, settings={"trace_level": "TIMESTAMPS"}),
}
client.unregister_system_shared_memory()

answers = queue.Queue()
client.async_infer("dtypes", [given("x", "FP32", floats)], lambda result, error: answers.put((result, error)))
result, error = answers.get(timeout=30)
found["async"] = [result.as_numpy("y").tolist() == floats.tolist(), error]

client.start_stream(callback=lambda result, error: answers.put((result, error)))
for index in range(20):
    model = "nobody" if index == 7 else "dtypes"
    client.async_stream_infer(model, [given("x", "FP32", floats + index)], request_id=str(index))
found["stream"] = []
for index in range(20):
    result, error = answers.get(timeout=30)
    found["stream"].append(
        str(error) if error else [result.get_response().id, result.as_numpy("y").tolist() == (floats + index).tolist()]
    )
client.async_stream_infer("dtypes", [given("x", "FP32", floats)], enable_empty_final_response=True)
found["final"] = answers.get(timeout=30)[0].get_response().parameters["triton_final_response"].bool_param
client.stop_stream()


async def later():
    async with aio.InferenceServerClient(url) as client:
        results = await asyncio.gather(*[
            client.infer("dtypes", [given("x", "FP32", floats + n)], request_id=str(n)) for n in range(8)
        ])

        async def requests():
            for n in range(5):
                yield {"model_name": "dtypes", "inputs": [given("x", "FP32", floats + n)], "request_id": str(n)}

        streamed = [result.get_response().id async for result, error in client.stream_infer(requests())]
        return [result.get_response().id for result in results], streamed, await client.is_model_ready("multi")


found["asyncio"] = asyncio.run(later())
stats = client.get_inference_statistics("dtypes", as_json=True)["model_stats"]
found["statistics"] = [(each["name"], each["version"], int(each["inference_count"]) > 30) for each in stats]

client.unload_model("strings")
found["unloaded"] = client.is_model_ready("strings")
client.load_model("strings")
found["loaded"] = {
    (each["name"], each["state"]) for each in client.get_model_repository_index(as_json=True)["models"]
} >= {("strings", "READY")}
found["not loaded"] = refused(client.load_model, "nobody")
print(json.dumps(found))
"""

DESCRIPTORS = """
import base64, json
from google.protobuf import descriptor_pb2
from tritonclient.grpc import model_config_pb2, service_pb2

found = {}
for module in (service_pb2, model_config_pb2):
    file = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(file)
    found[file.name] = base64.b64encode(file.SerializeToString()).decode()
print(json.dumps(found))
"""


@pytest.fixture(scope="module", params=["native", "grpcio"])
def server(
    request: pytest.FixtureRequest, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server of the models that the script asks for."""
    folder = tmp_path_factory.mktemp("config")
    config = write_model_config(folder / "models.config", {name: models / name for name in MODELS})
    with ServerProcess((f"--grpc_transport={request.param}", f"--model_config_file={config}")) as running:
        yield running
    assert running.process.returncode == 0
    assert "Traceback" not in "".join(running.output)


@pytest.fixture(scope="module")
def found(server: ServerProcess) -> dict[str, Any]:
    """What the client found."""
    python = environment(CLIENT, "ml_dtypes==0.5.4")
    result: dict[str, Any] = json.loads(run(python, SCRIPT, f"127.0.0.1:{server.grpc_port}"))
    return result


def test_server(found: dict[str, Any]) -> None:
    """Live, ready, and what it is."""
    assert (found["live"], found["ready"]) == (True, True)
    assert found["models ready"] == [True, False]
    assert found["version ready"] == [True, False]
    assert {"classification", "statistics"} <= set(found["server"]["extensions"])


def test_model(found: dict[str, Any]) -> None:
    """What the client reads of a model."""
    metadata, config = found["metadata"], found["config"]
    assert {"name": "a", "datatype": "FP32", "shape": ["-1", "2"]} in metadata["inputs"]
    assert {each["name"] for each in metadata["outputs"]} == {"sum", "b2"}
    assert {"name": "a", "data_type": "TYPE_FP32", "dims": ["-1", "2"]} in config["input"]


def test_inference(found: dict[str, Any]) -> None:
    """Tensors come back as they were sent, with ids, chosen outputs, classes and limits."""
    assert [found[name] for name in ("floats", "large", "texts")] == [True] * 3
    assert found["bf16"] == [1.5, -2.0]
    assert found["id"] == [str(number) for number in range(10)]
    assert found["wanted"] == ["b2", "sum"]
    assert found["classes"] == [["12.000000:1"], ["24.000000:1"]]
    assert (found["limits"], found["compressed"]) == ([6], [6])
    assert found["async"] == [True, None]


def test_stream(found: dict[str, Any]) -> None:
    """Answers in the order of requests; an error among them is one, and the stream goes on."""
    expected: list[Any] = [[str(index), True] for index in range(20)]
    assert "nobody" in found["stream"][7]
    expected[7] = found["stream"][7]
    assert found["stream"] == expected
    assert found["final"] is True


def test_asyncio(found: dict[str, Any]) -> None:
    """The other client."""
    assert found["asyncio"] == [[str(n) for n in range(8)], [str(n) for n in range(5)], True]


def test_errors(found: dict[str, Any]) -> None:
    """Their codes, and texts."""
    assert found["unknown model"][0] == found["no metadata"][0] == "StatusCode.NOT_FOUND"
    assert found["datatype"][0] == "StatusCode.INVALID_ARGUMENT"
    assert "FP64; expected FP32" in found["datatype"][1]


def test_what_there_is_nothing_of(found: dict[str, Any]) -> None:
    """Shared memory, traces: empty, and politely refused."""
    assert found["memory"] == [{}, {}]
    assert found["register"][0] == found["no trace"][0] == "StatusCode.UNIMPLEMENTED"
    assert (found["trace"], found["log"]) == ({"value": ["OFF"]}, {"bool_param": True})


def test_statistics(found: dict[str, Any]) -> None:
    """They count what was asked."""
    assert found["statistics"] == [["dtypes", "1", True]]


def test_repository(found: dict[str, Any]) -> None:
    """One model goes and comes back."""
    assert (found["unloaded"], found["loaded"]) == (False, True)
    assert found["not loaded"][0] == "StatusCode.NOT_FOUND"


def test_messages_are_tritons() -> None:
    """Every field that we have is the same there; of the service and its messages nothing is missing here."""
    files = json.loads(run(environment(CLIENT, "ml_dtypes==0.5.4"), DESCRIPTORS))
    theirs = {name: FileDescriptorProto.FromString(base64.b64decode(data)) for name, data in files.items()}
    ours = FileDescriptorProto()
    POOL.FindFileByName("open_inference.proto").CopyToProto(ours)
    everything = dict(_elements(theirs["grpc_service.proto"]))
    configuration = dict(_elements(theirs["model_config.proto"]))
    found = dict(_elements(ours))
    assert {name: value for name, value in found.items() if name in everything} == everything
    beyond = {name: value for name, value in found.items() if name not in everything}
    assert beyond == {name: configuration.get(name) for name in beyond}


def _elements(file: Any) -> Iterator[tuple[str, Any]]:
    """Methods, fields and values of enums by their names, with what makes them the same on the wire."""
    for service in file.service:
        for method in service.method:
            kinds = method.input_type, method.output_type, method.client_streaming, method.server_streaming
            yield f"{service.name}/{method.name}", kinds
    for each in file.message_type:
        yield from _of_message(each, "")
    for each in file.enum_type:
        yield from _of_enum(each, "")


def _of_message(each: Any, outer: str) -> Iterator[tuple[str, Any]]:
    name = f"{outer}{each.name}"
    for field in each.field:
        oneof = each.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
        yield f"{name}.{field.name}", (field.number, field.type, field.type_name, field.label, oneof)
    for inner in each.nested_type:
        yield from _of_message(inner, f"{name}.")
    for inner in each.enum_type:
        yield from _of_enum(inner, f"{name}.")


def _of_enum(each: Any, outer: str) -> Iterator[tuple[str, Any]]:
    for value in each.value:
        yield f"{outer}{each.name}.{value.name}", value.number
