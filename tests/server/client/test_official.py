"""The client's messages and tensors are TensorFlow's, whichever of the two is imported first."""

import json
import subprocess
import sys
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from serving import protos
from serving.client import messages
from tests.server.client.official import PROTO, ROOT, field_differences, mirrored, plain
from tests.server.test_protos import filled

pytestmark = pytest.mark.timeout(300)

NAMED = mirrored(PROTO.read_text())
MIRRORED = {ours: official for ours, official in NAMED.items() if not official.startswith("inference.")}
"""Those of TensorFlow and TensorFlow Serving; ``test_v2_official.py`` has those of the Open Inference Protocol."""

_MOVED = "GetModelStatusRequest.model_spec: 1 11, officially 2 11"
SERVED = sorted(set(MIRRORED) - {"DataType", "Any", "Int64Value"})


@pytest.fixture(scope="module", params=["first", "last"])
def comparison(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What ``official.py`` finds in a process that imports TensorFlow before or after the client."""
    command = [sys.executable, "-m", "tests.server.client.official", request.param]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    compared: dict[str, Any] = json.loads(result.stdout)
    return compared


def test_messages_are_the_official_ones(comparison: dict[str, Any]) -> None:
    """Filled messages have the same bytes and fields, and descriptors the same numbers, types and names."""
    assert comparison["messages"] == len(MIRRORED)
    assert comparison["differences"] == []


def test_arrays_come_through(comparison: dict[str, Any]) -> None:
    """What the client sends ``tf.make_ndarray`` reads, and what ``tf.make_tensor_proto`` makes the client reads."""
    assert comparison["arrays"] == []


def test_typed_fields_are_read_as_by_tensorflow(comparison: dict[str, Any]) -> None:
    """The fields that servers answer with, also with fewer values than elements."""
    assert comparison["fields"] == []


def test_values_get_the_types_that_tensorflow_gives(comparison: dict[str, Any]) -> None:
    """Python's numbers, strings and lists of them are sent as ``tf.make_tensor_proto`` would."""
    assert comparison["values"] == []


def test_every_message_names_its_official_one() -> None:
    """No message or enum of the file is without the comment that the comparison goes by."""
    (file,) = FileDescriptorSet.FromString(PROTO.with_suffix(".binpb").read_bytes()).file
    assert set(NAMED) == {each.name for each in [*file.message_type, *file.enum_type]}


@pytest.mark.parametrize("name", SERVED)
def test_messages_are_those_of_the_server(name: str) -> None:
    """Both ends of this project agree: same bytes, same fields."""
    mine = filled(messages.message(name)())
    data = mine.SerializeToString(deterministic=True)
    theirs = protos.message(MIRRORED[name]).FromString(data)
    assert theirs.SerializeToString(deterministic=True) == data
    assert plain(theirs) == plain(mine)


@pytest.mark.parametrize(
    ("ours", "official", "expected"),
    [
        ("Int64List", "tensorflow.FloatList", ["Int64List.value: 1 3, officially 1 2"]),
        ("ExampleList", "tensorflow.Example", ["ExampleList.examples: unknown"]),
        ("GetModelStatusRequest", "tensorflow.serving.PredictResponse", [_MOVED]),
        ("ExampleList", "tensorflow.serving.ExampleList", []),
    ],
    ids=["type", "missing", "moved", "none"],
)
def test_differences_of_fields_are_found(ours: str, official: str, expected: list[str]) -> None:
    """A field that the official message has otherwise, or not at all, is reported."""
    found = list(field_differences(messages.message(ours).DESCRIPTOR, protos.message(official).DESCRIPTOR))
    assert found == [f"{messages.PACKAGE}.{each}" for each in expected]
