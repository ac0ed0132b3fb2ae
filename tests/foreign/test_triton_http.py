"""Triton's own Python client over HTTP, which knows nothing of this server: synchronous and asyncio."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.environments import environment, run
from tests.support.server_process import ServerProcess, write_model_config

CLIENT = "tritonclient[http]==2.73.0"
MODELS = ("dtypes", "strings", "multi")

SYNCHRONOUS = """
import json, sys
import ml_dtypes
import numpy as np
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

client = http.InferenceServerClient(sys.argv[1])


def given(name, datatype, array, binary=True):
    made = http.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def infer(model, *inputs, **more):
    return client.infer(model, list(inputs), **more)


def refused(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except InferenceServerException as error:
        return error.status(), error.message()
    return "nothing"


def json_of(message):
    return json.loads(json.dumps(message))


floats = np.arange(6, dtype=np.float32) / 7
both = given("a", "FP32", np.array([[1, 2], [3, 4]], np.float32)), given("b", "INT32", np.array([10, 20], np.int32))
mixed = both[0], given("b", "INT32", np.array([10, 20], np.int32), binary=False)
texts = np.array(["one", "äöü".encode(), b"\\xff\\x00"], object)
bf16 = np.array([1.5, -2.0], ml_dtypes.bfloat16)
found = {
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "models ready": [client.is_model_ready(name) for name in ("dtypes", "nobody")],
    "version ready": [client.is_model_ready("dtypes", version) for version in ("1", "2")],
    "server": json_of(client.get_server_metadata()),
    "metadata": json_of(client.get_model_metadata("multi", "1")),
    "config": json_of(client.get_model_config("multi")),
    "system": client.get_system_shared_memory_status(),
    "cuda": client.get_cuda_shared_memory_status(),
    "trace": client.get_trace_settings(),
    "log": client.get_log_settings(),
    "register": refused(client.register_system_shared_memory, "region", "/key", 8),
    "change": refused(client.update_log_settings, {"log_verbose_level": 1}),
}
client.unregister_system_shared_memory()
client.unregister_cuda_shared_memory()
for binary in (True, False):
    answer = infer("dtypes", given("x", "FP32", floats, binary), request_id="17")
    assert answer.get_response()["id"] == "17"
    assert np.array_equal(answer.as_numpy("y"), floats)
    wanted = [http.InferRequestedOutput("y", binary_data=binary)]
    answer = infer("dtypes", given("x", "FP32", floats, binary), outputs=wanted)
    assert np.array_equal(answer.as_numpy("y"), floats)
answer = infer("dtypes", given("x", "BF16", bf16), parameters={"signature_name": "bfloat16"})
assert np.array_equal(answer.as_numpy("y"), bf16), answer.as_numpy("y")
half = np.array([1.5, -2], np.float16)
answer = infer("dtypes", given("x", "FP16", half), parameters={"signature_name": "half"})
assert np.array_equal(answer.as_numpy("y"), half)
for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"):
    array = np.array([0, 1], name)
    for binary in (True, False):
        answer = infer("dtypes", given("x", name.upper(), array, binary), parameters={"signature_name": name})
        assert np.array_equal(answer.as_numpy("y"), array) and answer.as_numpy("y").dtype == array.dtype
answer = infer("strings", given("s", "BYTES", texts), parameters={"signature_name": "plain"})
assert answer.as_numpy("out").tolist() == [b"one", "äöü".encode(), b"\\xff\\x00"], answer.as_numpy("out")
wanted = [http.InferRequestedOutput("out", binary_data=False)]
answer = infer("strings", given("s", "BYTES", texts[:2], False), outputs=wanted, parameters={"signature_name": "plain"})
assert answer.as_numpy("out").tolist() == ["one", "äöü"]
for inputs in (both, mixed):
    wanted = [http.InferRequestedOutput("b2", binary_data=False), http.InferRequestedOutput("sum")]
    answer = infer("multi", *inputs, outputs=wanted, model_version="1", priority=3, timeout=10_000_000)
    assert answer.as_numpy("sum").tolist() == [[11, 12], [23, 24]]
    assert answer.as_numpy("b2").tolist() == [20, 40]
answer = infer("multi", *both, outputs=[http.InferRequestedOutput("sum", class_count=2)])
found["classes"] = [[text.decode() for text in row] for row in answer.as_numpy("sum")]
for algorithm in ("gzip", "deflate"):
    more = {"request_compression_algorithm": algorithm, "response_compression_algorithm": algorithm}
    assert np.array_equal(infer("dtypes", given("x", "FP32", floats), **more).as_numpy("y"), floats)
handles = [client.async_infer("dtypes", [given("x", "FP32", floats + each)]) for each in range(8)]
for each, handle in enumerate(handles):
    assert np.array_equal(handle.get_result().as_numpy("y"), floats + each)
body, header_length = http.InferenceServerClient.generate_request_body([given("x", "FP32", floats)])
assert header_length < len(body)
found["refused"] = refused(infer, "dtypes", given("x", "FP64", floats.astype(np.float64)))
found["unknown"] = refused(infer, "nobody", given("x", "FP32", floats))
shared = http.InferInput("x", [6], "FP32")
shared.set_shared_memory("region", 24)
found["shared"] = refused(infer, "dtypes", shared)
found["statistics"] = client.get_inference_statistics("dtypes", "1")
print(json.dumps(found))
"""

ASYNCHRONOUS = """
import asyncio, json, sys
import numpy as np
import tritonclient.http.aio as http


async def main():
    async with http.InferenceServerClient(sys.argv[1]) as client:
        floats = np.arange(150_528, dtype=np.float32)
        given = http.InferInput("x", [floats.size], "FP32")
        given.set_data_from_numpy(floats)
        answers = await asyncio.gather(*(client.infer("dtypes", [given]) for _ in range(8)))
        assert all(np.array_equal(each.as_numpy("y"), floats) for each in answers)
        compressed = await client.infer("dtypes", [given], request_compression_algorithm="gzip")
        assert np.array_equal(compressed.as_numpy("y"), floats)
        print(json.dumps([await client.is_server_ready(), await client.is_model_ready("nobody")]))


asyncio.run(main())
"""


@pytest.fixture(scope="module")
def address(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a server has some models that copy their inputs."""
    config = write_model_config(
        tmp_path_factory.mktemp("config") / "models.config", {name: models / name for name in MODELS}
    )
    with ServerProcess((f"--model_config_file={config}",)) as running:
        yield f"localhost:{running.rest_port}"


@pytest.fixture(scope="module")
def told(address: str) -> dict[str, Any]:
    """What the client printed, which checks by itself every tensor that comes back."""
    found: dict[str, Any] = json.loads(run(environment(CLIENT), SYNCHRONOUS, address))
    return found


def test_what_there_is(told: dict[str, Any]) -> None:
    """Health, descriptions and statistics, as the client takes them apart."""
    assert (told["live"], told["ready"]) == (True, True)
    assert (told["models ready"], told["version ready"]) == ([True, False], [True, False])
    assert "binary_tensor_data" in told["server"]["extensions"]
    assert told["metadata"]["inputs"][0] == {"name": "a", "datatype": "FP32", "shape": [-1, 2]}
    assert told["config"]["output"][0] == {"name": "b2", "data_type": "TYPE_INT32", "dims": [-1]}
    (statistics,) = told["statistics"]["model_stats"]
    assert (statistics["name"], statistics["version"]) == ("dtypes", "1")
    assert statistics["inference_stats"]["success"]["count"] > 20
    assert statistics["inference_stats"]["fail"]["count"] == 2


def test_what_there_is_not(told: dict[str, Any]) -> None:
    """Nothing is shared or changed, and the client is told so in words."""
    assert (told["system"], told["cuda"]) == ([], [])
    assert told["trace"]["trace_level"] == ["OFF"]
    assert told["log"]["log_verbose_level"] == 0
    for kind in ("register", "change"):
        status, text = told[kind]
        assert (status, "expected" in text) == ("501", True)


def test_errors_and_classes(told: dict[str, Any]) -> None:
    assert told["classes"] == [["12.000000:1", "11.000000:0"], ["24.000000:1", "23.000000:0"]]
    assert [told[kind][0] for kind in ("refused", "unknown", "shared")] == ["400", "404", "400"]
    assert "FP32" in told["refused"][1]


def test_asyncio(address: str) -> None:
    """Images' worth of numbers, several at a time."""
    assert json.loads(run(environment(CLIENT), ASYNCHRONOUS, address)) == [True, False]
