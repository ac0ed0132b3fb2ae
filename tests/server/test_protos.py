"""Our message classes are the official ones: same descriptors, same bytes, also beside a real ``import tensorflow``."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from serving import protos

ROOT = Path(__file__).parents[2]
FILE = ROOT / "serving" / "protos.binpb"

DEPTH = 3
"""How deep messages within messages are filled; some of them contain themselves."""


def filled(message: Any, depth: int = DEPTH) -> Any:
    """The message with a value in every field, and two in repeated ones."""
    for number, field in enumerate(message.DESCRIPTOR.fields):
        fill(message, field, number, depth)
    return message


def fill(message: Any, field: FieldDescriptor, number: int, depth: int) -> None:
    """Set one field; of a oneof the last field stays."""
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        fill_entry(value, field.message_type, number, depth)
    elif field.message_type is not None:
        if depth:
            for each in (value.add(), value.add()) if field.is_repeated else (value,):
                each.SetInParent()
                filled(each, depth - 1)
    elif field.is_repeated:
        value.extend([scalar(field, number), scalar(field, number + 1)])
    else:
        setattr(message, field.name, scalar(field, number))


def fill_entry(entries: Any, entry: Descriptor, number: int, depth: int) -> None:
    """Set one entry of a map."""
    kind, key = entry.fields_by_name["value"], scalar(entry.fields_by_name["key"], number)
    if kind.message_type is None:
        entries[key] = scalar(kind, number)
    elif depth:
        filled(entries[key], depth - 1)


def scalar(field: FieldDescriptor, number: int) -> Any:
    """A value that tells fields apart."""
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            text = f"{field.name} {number}"
            return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
        case FieldDescriptor.CPPTYPE_BOOL:
            return True
        case FieldDescriptor.CPPTYPE_ENUM:
            assert field.enum_type is not None
            return field.enum_type.values[-1].number
        case _:
            return number + 1


def message_names(descriptors: FileDescriptorSet) -> Iterator[str]:
    """The full names of the messages that the official packages have, nested ones and map entries apart."""
    for file in descriptors.file[:-3]:  # the last are our own: newer reflection, CONFIGS, the Open Inference Protocol
        for message in file.message_type:
            yield f"{file.package}.{message.name}"


def compare() -> None:
    """Print, as JSON, how the official packages see what we have. Imports all of TensorFlow."""
    from google.protobuf import descriptor_pool
    from google.protobuf.message_factory import GetMessageClass

    from build.descriptors import descriptor_set

    up_to_date = descriptor_set().SerializeToString(deterministic=True) == FILE.read_bytes()
    ours = FileDescriptorSet.FromString(FILE.read_bytes())
    official = descriptor_pool.Default()
    names = list(message_names(ours))
    different = []
    for name in names:
        mine = filled(protos.message(name)())
        data = mine.SerializeToString(deterministic=True)
        theirs = GetMessageClass(official.FindMessageTypeByName(name)).FromString(data)
        if theirs.SerializeToString(deterministic=True) != data or str(theirs) != str(mine):
            different.append(name)
    tensorflow = hasattr(sys.modules["tensorflow"], "constant")
    json.dump(
        {"messages": len(names), "different": different, "same": up_to_date, "tensorflow": tensorflow}, sys.stdout
    )


@pytest.fixture(scope="module")
def comparison() -> dict[str, Any]:
    """What ``compare`` says, in a process that has imported TensorFlow before our classes."""
    code = "import tensorflow_serving.apis.prediction_log_pb2; from tests.server.test_protos import compare; compare()"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    compared: dict[str, Any] = json.loads(result.stdout)
    return compared


def test_file_is_what_the_official_packages_say(comparison: dict[str, Any]) -> None:
    """``serving/protos.binpb`` need not be written anew."""
    assert comparison["same"]


def test_every_message_is_the_same_on_the_wire(comparison: dict[str, Any]) -> None:
    """Filled messages of every kind have the same bytes and fields in the official classes."""
    assert comparison["tensorflow"]
    assert comparison["messages"] > 100
    assert comparison["different"] == []


def test_class_is_made_once() -> None:
    """Asking again for a message gives the same class."""
    assert protos.message("tensorflow.TensorProto") is protos.TensorProto


def test_unknown_message() -> None:
    """A name that the wire does not have is a KeyError."""
    with pytest.raises(KeyError):
        protos.message("tensorflow.NoSuchProto")


def test_pool_is_private() -> None:
    """Nothing is registered where a real import of TensorFlow would register the same names."""
    code = (
        "import serving.protos; from google.protobuf import descriptor_pool\n"
        "try: descriptor_pool.Default().FindMessageTypeByName('tensorflow.TensorProto')\n"
        "except KeyError: print('private')"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "private\n"


def test_text_format_works_in_the_pool() -> None:
    """Enums and maps are resolved among our own descriptors."""
    message = text_format.Parse('inputs { key: "x" value { dtype: DT_FLOAT } }', protos.PredictRequest())
    assert message.inputs["x"].dtype == 1
