"""The client's messages and tensors against TensorFlow's own, in a process of its own: imports all of TensorFlow.

Run as ``python -m tests.server.client.official first`` or ``last``: whether TensorFlow is imported before the client
or after. Prints what it found as JSON; ``test_official.py`` judges it.
"""

import importlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
PROTO = ROOT / "serving" / "client" / "messages.proto"

_MIRRORS = re.compile(r"^// ([\w.]+\w)[^\n]*\n(?:// [^\n]*\n)*(?:message|enum) (\w+)", re.MULTILINE)
_PACKAGES = (
    "tensorflow",
    "tensorflow_serving.apis.prediction_service_pb2",
    "tensorflow_serving.apis.model_service_pb2",
)


def mirrored(text: str) -> Mapping[str, str]:
    """What the comments of a .proto file say: of each message or enum outside of others the official name."""
    return {ours: official for official, ours in _MIRRORS.findall(text)}


def plain(message: Any) -> Any:
    """A message as dictionaries, with numbers for enums; the same for classes that are the same."""
    if not hasattr(message, "ListFields"):
        return message
    return {field.name: _plain_field(field, value) for field, value in message.ListFields()}


def _plain_field(field: Any, value: Any) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return {key: plain(each) for key, each in value.items()}
    if field.is_repeated:
        return [plain(each) for each in value]
    return plain(value)


def field_differences(ours: Any, official: Any) -> Iterator[str]:
    """Fields of one descriptor that the official one lacks, or has otherwise."""
    for field in ours.fields:
        other = official.fields_by_name.get(field.name)
        if other is None:
            yield f"{field.full_name}: unknown"
            continue
        kinds = {14: 5}.get(field.type, field.type), {14: 5}.get(other.type, other.type)  # an enum is an int32
        if (field.number, field.is_repeated, kinds[0]) != (other.number, other.is_repeated, kinds[1]):
            yield f"{field.full_name}: {field.number} {field.type}, officially {other.number} {other.type}"
        elif field.message_type is not None and not field.message_type.GetOptions().map_entry:
            yield from field_differences(field.message_type, other.message_type) if field.message_type.fields else ()


def enum_differences(name: str, official: Any) -> Iterator[str]:
    """Values of an enum of ours that the official one lacks, or numbers otherwise."""
    from serving.client.messages import PACKAGE, POOL

    for value in POOL.FindEnumTypeByName(f"{PACKAGE}.{name}").values:
        if official.values_by_name[value.name].number != value.number:
            yield f"{name}.{value.name}"


def message_differences(name: str, official: Any) -> Iterator[str]:
    """How the official class sees our message with a value in every field."""
    from google.protobuf.message_factory import GetMessageClass

    from serving.client import messages
    from tests.server.test_protos import filled

    ours = messages.message(name)
    yield from field_differences(ours.DESCRIPTOR, official)
    mine = filled(ours())
    data = mine.SerializeToString(deterministic=True)
    theirs = GetMessageClass(official).FromString(data)
    if theirs.SerializeToString(deterministic=True) != data:
        yield f"{name}: other bytes"
    if plain(theirs) != plain(mine) or plain(ours.FromString(data)) != plain(mine):
        yield f"{name}: other fields"


def compare_messages() -> dict[str, Any]:
    """Every message and enum of the file against the one that its comment names."""
    from google.protobuf import descriptor_pool

    pool = descriptor_pool.Default()
    named = mirrored(PROTO.read_text()).items()
    names = {ours: official for ours, official in named if not official.startswith("inference.")}
    found: list[str] = []
    for ours, name in names.items():
        if ours == "DataType":
            found += enum_differences(ours, pool.FindEnumTypeByName(name))
        else:
            found += message_differences(ours, pool.FindMessageTypeByName(name))
    found += enum_differences("ModelVersionStatus.State", pool.FindEnumTypeByName(STATE))
    return {"messages": len(names), "differences": found}


STATE = "tensorflow.serving.ModelVersionStatus.State"


def main(order: str) -> None:
    """Import in this order, compare, print."""
    packages = ("serving.client", "serving.client.messages", *_PACKAGES)
    for name in packages if order == "last" else reversed(packages):
        importlib.import_module(name)
    from tests.server.client.official_tensors import compare_tensors

    json.dump({**compare_messages(), **compare_tensors()}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
