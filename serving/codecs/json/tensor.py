"""One JSON value to the elements of one tensor, checked level by level; the exact road of ``json_request``.

The shape is the nesting of the value, never the declared one (docs/rest.md, "Predict request").
"""

from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.codecs.json.echo import echo
from serving.codecs.json.numbers import to_float32
from serving.codecs.json.strings import base64_decoded, encoded
from serving.codecs.json.text import JsonObject, JsonValue
from serving.core.tensor import MAX_DIMENSIONS, STORAGE, DataType, Tensor
from serving.errors import Code, ServingError, invalid_argument

_B64 = "b64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Elements:
    """The leaves of a regular nested list, row-major, as Python values; a scalar has the shape ``()``."""

    shape: tuple[int, ...]
    leaves: list[Any]


def is_base64(value: JsonValue) -> bool:
    """Whether ``value`` stands for a string: an object with the one member ``b64``, a string."""
    return type(value) is tuple and len(value) == 1 and value[0][0] == _B64 and type(value[0][1]) is str


def elements(value: JsonValue, dtype: DataType) -> Elements:
    """The leaves of ``value`` as ``dtype`` takes them, in its range.

    Raises ServingError: INVALID_ARGUMENT for wrong types and irregular nesting, UNIMPLEMENTED for types that JSON
    requests cannot carry.
    """
    nesting = shape(value)
    found = leaves([value], nesting, dtype)
    return Elements(shape=nesting, leaves=_leaf_by_leaf(value, nesting, dtype) if found is None else found)


def leaves(values: list[Any], shape: tuple[int, ...], dtype: DataType) -> list[Any] | None:
    """The leaves of values that all have this shape, one after the other; None if one is not what ``dtype`` takes."""
    for size in shape:
        if len(values) == 1:
            (values,) = values
            if type(values) is not list or len(values) != size:
                return None
        elif set(map(type, values)) != {list} or set(map(len, values)) != {size}:
            return None
        else:
            values = list(chain.from_iterable(values))
    return _accepted(values, dtype)


def _accepted(values: list[Any], dtype: DataType) -> list[Any] | None:
    """``values`` as ``dtype`` takes them, or None."""
    kinds = set(map(type, values))
    if dtype is DataType.STRING:
        return _strings(values, kinds)
    if not kinds <= _KINDS.get(dtype, set()):
        return None
    low, high = _RANGES.get(dtype, (0, 0))
    if dtype in _RANGES and values and (min(values) < low or max(values) > high):
        return None
    return values


def _strings(values: list[Any], kinds: set[type]) -> list[bytes] | None:
    try:
        if kinds <= {str}:
            return list(map(str.encode, values))
        if kinds <= {str, tuple}:
            return [encoded(value) if type(value) is str else _base64_leaf(value) for value in values]
    except UnicodeEncodeError:
        return list(map(encoded, values))
    except ServingError:
        pass
    return None


def _leaf_by_leaf(value: JsonValue, shape: tuple[int, ...], dtype: DataType) -> list[Any]:
    """The same for one value, which divides what is refused until it has the first leaf or list that is wrong."""
    found: list[Any] = []
    stack: list[tuple[list[JsonValue], int]] = [([value], 0)]
    while stack:
        values, level = stack.pop()
        if len(values) > 1:
            accepted = leaves(values, shape[level:], dtype)
            if accepted is None:
                stack += [(part, level) for part in parts(values)]
            else:
                found += accepted
        elif isinstance(child := values[0], list):
            _check_list(child, level, shape)
            stack += [(child, level + 1)] if child else []
        elif level != len(shape):
            raise invalid_argument(
                f"JSON Value: {echo(child)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {len(shape)}"
            )
        else:
            found.append(_leaf(child, dtype))
    return found


def parts(values: list[Any]) -> list[list[Any]]:
    """Some sixteen parts of a list, the first one last."""
    step = max(1, len(values) // 16)
    return [values[start : start + step] for start in range(0, len(values), step)][::-1]


def tensor(alias: str, dtype: DataType, shape: tuple[int, ...], leaves: list[Any]) -> Tensor:
    """The tensor of ``shape`` with ``leaves``, row-major.

    Raises ServingError, INVALID_ARGUMENT: too many dimensions, or a type without storage (resources, variants).
    """
    if len(shape) > MAX_DIMENSIONS or dtype not in STORAGE:
        raise invalid_argument(f"tensor parsing error: {alias}")
    return Tensor(dtype, _array(dtype, leaves).reshape(shape))


def shape(value: JsonValue) -> tuple[int, ...]:
    """The lengths met by following first elements."""
    sizes: list[int] = []
    while type(value) is list:
        sizes.append(len(value))
        value = value[0] if value else None
    return tuple(sizes)


def _check_list(value: list[JsonValue], level: int, shape: tuple[int, ...]) -> None:
    if level >= len(shape):
        raise invalid_argument(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )


def _leaf(value: JsonValue, dtype: DataType) -> Any:
    if type(value) is tuple:
        if dtype is not DataType.STRING:
            raise _type_error(value, dtype)
        return _base64_leaf(value)
    if dtype not in _KINDS:
        raise ServingError(Code.UNIMPLEMENTED, f"Conversion of JSON Value: {echo(value)} to type: {dtype.word}")
    accepted = _accepted([value], dtype)
    if accepted is None:
        raise _type_error(value, dtype)
    return accepted[0]


def _base64_leaf(value: JsonObject) -> bytes:
    if not is_base64(value):
        raise invalid_argument(f"JSON Value: {echo(value)} not formatted correctly for base64 data")
    return base64_bytes(value)


def base64_bytes(value: JsonObject) -> bytes:
    """What an object that ``is_base64`` stands for. Raises ServingError, INVALID_ARGUMENT."""
    text = value[0][1]
    data = base64_decoded(encoded(text)) if isinstance(text, str) else None
    if data is None:
        raise invalid_argument("Unable to base64 decode")
    return data


def _type_error(value: JsonValue, dtype: DataType) -> ServingError:
    return invalid_argument(f"JSON Value: {echo(value)} Type: {type_word(value)} is not of expected type: {dtype.word}")


def type_word(value: JsonValue) -> str:
    """The name of a value's type in messages."""
    if value is None or isinstance(value, bool):
        return {None: "Null", True: "True", False: "False"}[value]
    words: dict[type, str] = {str: "String", list: "Array", tuple: "Object"}
    return words.get(type(value), "Number")


# The narrow types are read as int32 and wrap around afterwards.
_INT32 = (-(2**31), 2**31 - 1)
_RANGES = {
    DataType.INT32: _INT32,
    DataType.INT16: _INT32,
    DataType.INT8: _INT32,
    DataType.UINT8: _INT32,
    DataType.INT64: (-(2**63), 2**63 - 1),
    DataType.UINT32: (0, 2**32 - 1),
    DataType.UINT64: (0, 2**64 - 1),
}
_KINDS: dict[DataType, set[type]] = {
    DataType.FLOAT: {int, float},
    DataType.DOUBLE: {int, float},
    **{dtype: {int} for dtype in _RANGES},
    DataType.BOOL: {bool},
    DataType.STRING: {str, tuple},
}


def _array(dtype: DataType, leaves: list[Any]) -> NDArray[Any]:
    if dtype is DataType.STRING:
        strings = np.empty(len(leaves), dtype=object)
        strings[:] = leaves
        return strings
    if dtype is DataType.FLOAT:
        return to_float32(np.array(leaves, dtype=np.float64))
    if dtype in (DataType.DOUBLE, DataType.BOOL, DataType.UINT64):
        return np.array(leaves, dtype=STORAGE[dtype])
    # An empty list of a type that JSON cannot carry comes through here as well: nothing was there to refuse.
    return np.array(leaves, dtype=np.int64).astype(STORAGE[dtype])
