"""The row layout of predict requests: ``instances``, a list of elements stacked into one tensor per input.

Elements are values, or objects with one member per input; the first element decides which.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.codecs.json.echo import echo
from serving.codecs.json.strings import decoded
from serving.codecs.json.tensor import elements, is_base64, tensor
from serving.codecs.json.text import JsonObject, JsonValue
from serving.core.signature import TensorInfo
from serving.core.tensor import DataType, Tensor
from serving.errors import ServingError, invalid_argument


@dataclass(slots=True)
class _Column:
    """What was gathered for one input: the shape of its elements, and their leaves one after the other."""

    dtype: DataType
    shape: tuple[int, ...]
    size: int
    leaves: list[Any]


def tensors(instances: list[JsonValue], inputs: Mapping[str, TensorInfo]) -> dict[str, Tensor]:
    """The tensors of ``instances``, which is not empty, each with the number of instances in front of its shape.

    Raises ServingError, INVALID_ARGUMENT whatever is wrong with an element.
    """
    first = instances[0]
    if not isinstance(first, JsonObject) and len(inputs) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    named = _is_named(first)
    columns: dict[str, _Column] = {}
    for index, instance in enumerate(instances):
        if isinstance(instance, JsonObject) and _is_named(instance):
            if not named:
                raise invalid_argument(f"Expecting value/list but got object at item {index} of input list")
            _add_members(columns, inputs, index, instance)
        elif named:
            raise invalid_argument(f"Expecting object but got list at item {index} of input list")
        else:
            _add_plain(columns, inputs, index, instance)
    count = len(instances)
    return {
        name: tensor(name, column.dtype, (count, *column.shape), column.leaves)
        for name in inputs
        if (column := columns.get(name)) is not None
    }


def _is_named(instance: JsonValue) -> bool:
    return isinstance(instance, JsonObject) and not is_base64(instance)


def _add_members(
    columns: dict[str, _Column], inputs: Mapping[str, TensorInfo], index: int, instance: JsonObject
) -> None:
    seen: set[str] = set()
    for key, value in instance.members:
        name = decoded(key)
        try:
            _add(columns, inputs, name, value, repeated=name in seen)
        except ServingError as error:
            raise invalid_argument(
                f"Failed to process element: {index} key: {name} of 'instances' list. Error: {error}"
            ) from None
        seen.add(name)
    if seen != inputs.keys():
        raise invalid_argument(
            f"Failed to process element: {index} of 'instances' list. JSON object: {echo(instance)} "
            f"keys must be equal to: {','.join(sorted(inputs))}"
        )


def _add_plain(columns: dict[str, _Column], inputs: Mapping[str, TensorInfo], index: int, instance: JsonValue) -> None:
    try:
        _add(columns, inputs, next(iter(inputs)), instance, repeated=False)
    except ServingError as error:
        raise invalid_argument(f"Failed to process element: {index} of 'instances' list. Error: {error}") from None


def _add(
    columns: dict[str, _Column], inputs: Mapping[str, TensorInfo], name: str, value: JsonValue, *, repeated: bool
) -> None:
    """Append one element. A repeated key is checked like any other, but the first one counts."""
    if name not in inputs:
        raise invalid_argument(f"JSON object: does not have named input: {name}")
    dtype = inputs[name].dtype
    found = elements(value, dtype)
    column = columns.setdefault(name, _Column(dtype, found.shape, len(found.leaves), []))
    if len(found.leaves) != column.size:
        raise invalid_argument(f"Expecting tensor size: {column.size} but got: {len(found.leaves)}")
    if found.shape != column.shape:
        raise invalid_argument(f"Expecting shape {_text(column.shape)} but got: {_text(found.shape)}")
    if not repeated:
        column.leaves.extend(found.leaves)


def _text(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"
