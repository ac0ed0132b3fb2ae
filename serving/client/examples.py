"""Mappings of Python and numpy values -> serialised ``tf.Example`` messages. Not a parser: the model is that."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from serving.client.checks import checked_text, shown
from serving.client.errors import about
from serving.client.messages import Example, Message, serialised
from serving.client.tensors import to_array

Features = Mapping[str, Any]
"""Feature names and their values: a number, a string, or any array or list of them, which is sent flat."""


def example(features: Features) -> bytes:
    """A serialised ``tf.Example``.

    Floats make a float list, ints and bools an int64 list, ``str`` and ``bytes`` a bytes list. An empty list makes a
    feature without a value, which the model takes for a missing one. TypeError or ValueError names the feature.
    """
    return serialised(_message(features), deterministic=True)


def to_message(given: Features | bytes) -> Message:
    """The Example of a mapping, or of the bytes of one. ValueError or TypeError says what is wrong with it."""
    if isinstance(given, Mapping):
        return _message(given)
    if not isinstance(given, bytes):
        raise TypeError(
            f"expected a mapping of feature names to values, or a serialised tf.Example, got {shown(given)}"
        )
    try:
        return Example.FromString(given)
    except DecodeError:
        raise ValueError(f"expected a serialised tf.Example, got {shown(given)}") from None


def _message(features: Features) -> Message:
    message = Example()
    message.features.SetInParent()
    for name, value in features.items():
        try:
            _fill(message.features.feature[checked_text("name of a feature", name)], value)
        except (TypeError, ValueError) as error:
            raise about(f"feature {shown(name)}", error) from None
    return message


def _fill(feature: Message, value: Any) -> None:
    array = to_array(value)
    if not array.size and not hasattr(value, "__array__"):
        return
    match array.dtype.kind:
        case "O":
            feature.bytes_list.value.extend(array.ravel().tolist())
        case "f":
            feature.float_list.value.extend(array.ravel().tolist())
        case "i" | "u" | "b":
            feature.int64_list.value.extend(_int64(value, array))
        case "c":
            raise TypeError(f"a feature has floats, ints or strings, got {array.dtype.name}")
        case _:  # a type of ml_dtypes
            wider = "int64" if "int" in array.dtype.name else "float32"
            raise TypeError(f'expected floats, ints or strings, got {array.dtype.name}; give values.astype("{wider}")')


def _int64(value: Any, array: Any) -> list[int]:
    if array.size and int(array.max()) >= 2**63:
        raise ValueError(f"a feature's ints have 64 bits with a sign, got {shown(value)}")
    ints: list[int] = array.ravel().astype(np.int64).tolist()
    return ints
