"""The client's messages and tensors of v2 are those of Triton's own client, in an environment of its own."""

import base64
import json
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from serving.client import calls, messages, v2
from serving.client.messages import PACKAGE, POOL
from tests.server.client.official import PROTO, field_differences, mirrored, plain
from tests.server.test_protos import filled
from tests.support.environments import environment, run

pytestmark = pytest.mark.timeout(300)

MIRRORED = {ours: name for ours, name in mirrored(PROTO.read_text()).items() if name.startswith("inference.")}

ARRAYS: dict[str, Any] = {
    "BOOL": np.array([[True, False]]),
    "INT8": np.array([-128, 127], np.int8),
    "INT64": np.array([-(2**62)], np.int64),
    "UINT16": np.array([65535], np.uint16),
    "FP16": np.array([0.5], np.float16),
    "BF16": np.array([1.5, -2.0], ml_dtypes.bfloat16),
    "FP32": np.array([[0.1], [2.0]], np.float32),
    "FP64": np.array(0.1),
    "BYTES": np.array([b"", b"\xff\0", b"abc"], object),
}

THEIRS = r"""
import base64, json, sys
import numpy as np
from tritonclient import grpc
from tritonclient.grpc import model_config_pb2, service_pb2
from tritonclient.utils import deserialize_bytes_tensor, serialize_byte_tensor, triton_to_np_dtype
coded = lambda data: base64.b64encode(data).decode()
request = service_pb2.ModelInferRequest.FromString(base64.b64decode(sys.argv[1]))
assert (request.model_name, request.model_version) == ("m", "7"), request
assert request.parameters["signature"].string_param == "s"
assert [each.name for each in request.outputs] == ["y"]
read = {}
response = service_pb2.ModelInferResponse(model_name="m", model_version="7")
for tensor, raw in zip(request.inputs, request.raw_input_contents, strict=True):
    if tensor.datatype == "BYTES":
        array = deserialize_bytes_tensor(raw).reshape(tensor.shape)
        read[tensor.name] = [each.hex() for each in array.ravel()]
        raw = serialize_byte_tensor(array).item()
    else:
        array = np.frombuffer(raw, triton_to_np_dtype(tensor.datatype)).reshape(tensor.shape)
        read[tensor.name] = array.astype(float).tolist()
    response.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
    response.raw_output_contents.append(raw)
result = grpc.InferResult(response)
assert all(result.as_numpy(name) is not None for name in read)
files = [model_config_pb2.DESCRIPTOR, service_pb2.DESCRIPTOR]
json.dump({"read": read, "response": coded(response.SerializeToString()),
           "files": [coded(each.serialized_pb) for each in files]}, sys.stdout)
"""


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    """What Triton's client makes of a request of ours: what it reads, an answer with the same, its descriptors."""
    python = environment("tritonclient[grpc]==2.73.0")
    choice = calls.Choice(model="m", version=7, signature="s")
    request = base64.b64encode(v2.predict(choice, ARRAYS, ["y"]).request).decode()
    found: dict[str, Any] = json.loads(run(python, THEIRS, request))
    return found


def test_they_read_what_is_sent(theirs: dict[str, Any]) -> None:
    """Every type by the name of its datatype."""
    expected = {
        name: [each.hex() for each in array] if name == "BYTES" else array.astype(float).tolist()
        for name, array in ARRAYS.items()
    }
    assert theirs["read"] == expected


def test_what_they_answer_is_read(theirs: dict[str, Any]) -> None:
    """Bit by bit."""
    call = v2.predict(calls.Choice(model="m", version=7, signature="s"), {}, [])
    answer = call.read(base64.b64decode(theirs["response"]))
    assert (answer.model, answer.version, answer.signature) == ("m", 7, "s")
    for name, array in ARRAYS.items():
        assert (answer[name].dtype, answer[name].shape) == (array.dtype, array.shape)
        assert answer[name].tolist() == array.tolist()


def test_messages_are_theirs(theirs: dict[str, Any]) -> None:
    """Filled messages have the same bytes and fields, and descriptors the same numbers, types and names."""
    pool = DescriptorPool()
    for file in theirs["files"]:
        pool.Add(FileDescriptorProto.FromString(base64.b64decode(file)))
    assert len(MIRRORED) == 12
    for ours, name in MIRRORED.items():
        official = pool.FindMessageTypeByName(name)
        assert [*field_differences(POOL.FindMessageTypeByName(f"{PACKAGE}.{ours}"), official)] == []
        mine = filled(messages.message(ours)())
        data = mine.SerializeToString(deterministic=True)
        read = GetMessageClass(official).FromString(data)
        assert read.SerializeToString(deterministic=True) == data
        assert plain(read) == plain(mine)
