"""The row layout of predict requests: ``instances``, a list of elements stacked into one tensor per input.

Elements are values, or objects with one member per input; the first element decides which.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

from serving.codecs.json.echo import echo
from serving.codecs.json.tensor import elements, is_base64, leaves, parts, shape, tensor
from serving.codecs.json.text import JsonValue
from serving.core.signature import TensorInfo
from serving.core.tensor import DataType, Tensor
from serving.errors import ServingError, invalid_argument

_ROWS = 1024
"""Instances that are looked at together."""


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
    if type(first) is not tuple and len(inputs) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    named = _is_named(first)
    columns = _columns_of(first, inputs, named=named)
    add, add_all = (_add_members, _add_rows) if named else (_add_plain, _add_values)
    chunks = [instances[start : start + _ROWS] for start in range(0, len(instances), _ROWS)][::-1]
    index = 0
    while chunks:
        chunk = chunks.pop()
        if not add_all(columns, inputs, chunk):
            if len(chunk) > 1:
                chunks += parts(chunk)
                continue
            if index == 0:
                columns.clear()
            add(columns, inputs, index, chunk[0])
        index += len(chunk)
    count = len(instances)
    return {
        name: tensor(name, column.dtype, (count, *column.shape), column.leaves)
        for name in inputs
        if (column := columns.get(name)) is not None
    }


def _columns_of(first: JsonValue, inputs: Mapping[str, TensorInfo], *, named: bool) -> dict[str, _Column]:
    """An empty column for every input that the first instance has."""
    values = dict(reversed(first)) if named and isinstance(first, tuple) else {next(iter(inputs)): first}
    shapes = {name: shape(value) for name, value in values.items() if name in inputs}
    return {name: _Column(inputs[name].dtype, found, math.prod(found), []) for name, found in shapes.items()}


def _is_named(instance: JsonValue) -> bool:
    return type(instance) is tuple and not is_base64(instance)


def _add_values(columns: dict[str, _Column], inputs: Mapping[str, TensorInfo], values: list[Any]) -> bool:
    """Append values that are all like the first instance; False, and nothing appended, if they are not."""
    column = columns[next(iter(inputs))]
    found = leaves(values, column.shape, column.dtype)
    if found is not None:
        column.leaves += found
    return found is not None


def _add_rows(columns: dict[str, _Column], inputs: Mapping[str, TensorInfo], rows: list[Any]) -> bool:
    """The same for objects. Of the members with the same name the first counts, but all must be right."""
    if set(map(type, rows)) - {tuple} or any(map(is_base64, rows) if len(inputs) == 1 else ()):
        return False
    columns_of_values = _alike(rows) or _unlike(rows)
    if {name for name, _ in columns_of_values} != inputs.keys() or columns.keys() != inputs.keys():
        return False
    found: dict[str, list[Any]] = {}
    for name, values in columns_of_values:
        new = leaves(values, columns[name].shape, columns[name].dtype)
        if new is None or (name not in found and len(values) != len(rows)):
            return False
        found.setdefault(name, new)
    for name, new in found.items():
        columns[name].leaves += new
    return True


def _alike(rows: list[Any]) -> list[tuple[str, list[Any]]]:
    """The names and values of objects whose members have the same names in the same order; nothing if they have not."""
    names = [name for name, _ in rows[0]]
    members = list(chain.from_iterable(rows))
    if set(map(len, rows)) != {len(names)} or list(map(itemgetter(0), members)) != names * len(rows):
        return []
    values = list(map(itemgetter(1), members))
    return [(name, values[index :: len(names)]) for index, name in enumerate(names)]


def _unlike(rows: list[Any]) -> list[tuple[str, list[Any]]]:
    """The same for any objects: for each name the first value in every row that has it, then all others."""
    first: dict[str, list[Any]] = defaultdict(list)
    others: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        by_name = dict(reversed(row))
        for name, value in by_name.items():
            first[name].append(value)
        if len(by_name) != len(row):
            seen: set[str] = set()
            for name, value in row:
                if name in seen:
                    others[name].append(value)
                seen.add(name)
    return [*first.items(), *others.items()]


def _add_members(
    columns: dict[str, _Column], inputs: Mapping[str, TensorInfo], index: int, instance: JsonValue
) -> None:
    if type(instance) is not tuple or is_base64(instance):
        raise invalid_argument(f"Expecting object but got list at item {index} of input list")
    seen: set[str] = set()
    for name, value in instance:
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
    if _is_named(instance):
        raise invalid_argument(f"Expecting value/list but got object at item {index} of input list")
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
