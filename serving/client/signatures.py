"""Whether inputs fit a signature, before they are sent: their names, their dtypes and their shapes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.client.calls import Choice
from serving.client.checks import shown
from serving.client.tensors import to_array
from serving.client.values import DEFAULT_SIGNATURE, Metadata, TensorInfo


def as_arrays(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs as the arrays that are going to be sent; what cannot be one stays, for the call to refuse."""
    arrays = {}
    for name, value in inputs.items():
        try:
            arrays[name] = to_array(value)
        except (TypeError, ValueError):
            arrays[name] = value
    return arrays


def mismatch(metadata: Metadata, choice: Choice, arrays: Mapping[str, Any], *, vectors_are_any: bool = False) -> str:
    """What does not fit, in words; "" if all does, or if there is no such signature, which the server tells.

    ``vectors_are_any``: whether the shape [-1] may mean a shape that is not known, for which v2 has no other word.

    Inputs that are missing are no mismatch: a signature may have defaults, which its metadata does not tell.
    """
    name = choice.signature or DEFAULT_SIGNATURE
    signature = metadata.signatures.get(name)
    if signature is None:
        return ""
    found = []
    for given, array in arrays.items():
        if given not in signature.inputs:
            known = ", ".join(signature.inputs) or "none"
            found.append(
                f"{shown(given)} is no input of signature {name!r} of model {metadata.model!r}; it has {known}"
            )
            continue
        info = signature.inputs[given]
        if vectors_are_any and info.shape == (-1,):
            info = replace(info, shape=None)
        if isinstance(array, np.ndarray) and (problem := _problem(given, info, array)):
            found.append(problem)
    return "; ".join(found)


def described(dtype: str, shape: tuple[int, ...] | None) -> str:
    """A tensor's type as errors and tables have it: ``float32[-1,8]``, ``float32[...]`` if its rank is not known."""
    return f"{dtype}[{'...' if shape is None else ','.join(map(str, shape))}]"


def _problem(name: str, info: TensorInfo, array: NDArray[Any]) -> str:
    dtype = "string" if array.dtype.kind == "O" else array.dtype.name
    expected = described(info.dtype, info.shape)
    if dtype != info.dtype:
        return f"{name} is {expected}, you gave {described(dtype, array.shape)}"
    if not _fits(array.shape, info.shape):
        return f"{name} is {expected}, you gave {described('', array.shape)}"
    return ""


def _fits(shape: tuple[int, ...], expected: tuple[int, ...] | None) -> bool:
    if expected is None:
        return True
    return len(shape) == len(expected) and all(
        wanted in (-1, size) for size, wanted in zip(shape, expected, strict=True)
    )
