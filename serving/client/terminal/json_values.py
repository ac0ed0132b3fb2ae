"""JSON -> arrays of the types that a signature has, for JSON has no types of its own."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.client.checks import shown
from serving.client.signatures import described
from serving.client.tensors import ml_dtype
from serving.client.terminal.errors import ProblemError
from serving.client.values import Signature, TensorInfo


def columns(values: Any, signature: Signature, where: str) -> Mapping[str, Any] | None:
    """The values by the names of inputs; None if they are those of one input, without its name.

    An object with inputs' names, or the body of a request to TensorFlow Serving's REST API: ``instances``, ``inputs``.
    """
    if not isinstance(values, dict) or set(values) == {"b64"}:
        return None
    if not set(values) <= set(signature.inputs):
        if "instances" in values:
            return _of_rows(values["instances"], signature, where)
        if "inputs" in values:
            inside = values["inputs"]
            return columns(inside, signature, where) or _sole(inside, signature, where)
        unknown = ", ".join(sorted(set(values) - set(signature.inputs)))
        raise ProblemError(f"{where} has values for {unknown}; the model has the inputs {', '.join(signature.inputs)}.")
    return values


def _of_rows(rows: Any, signature: Signature, where: str) -> Mapping[str, Any]:
    if isinstance(rows, list) and rows and all(isinstance(row, dict) and set(row) != {"b64"} for row in rows):
        if any(set(row) != set(rows[0]) for row in rows) or not set(rows[0]) <= set(signature.inputs):
            raise ProblemError(f"{where}: expected {', '.join(signature.inputs)} in each of the instances.")
        return {name: [row[name] for row in rows] for name in rows[0]}
    return _sole(rows, signature, where)


def _sole(values: Any, signature: Signature, where: str) -> Mapping[str, Any]:
    if len(signature.inputs) != 1:
        raise ProblemError(f"{where} names no input; the model has {', '.join(signature.inputs)}.")
    return {next(iter(signature.inputs)): values}


def array_of(values: Any, info: TensorInfo, where: str) -> NDArray[Any]:
    """The values as an array of the input's type. ProblemError if they are none."""
    if info.dtype == "string":
        try:
            array = np.asarray(_decoded(values))
        except ValueError as error:
            raise ProblemError(f"{where}: {error}.") from None
        if array.dtype.kind not in "US" and array.size:
            raise ProblemError(f"{where}: expected strings, got {shown(values)}.")
        return np.asarray(_decoded(values), object)
    try:
        array = np.asarray(values)
    except ValueError:
        raise ProblemError(f"{where}: expected lists whose rows have the same lengths.") from None
    if array.dtype.kind not in "biuf":
        raise ProblemError(f"{where}: expected numbers for {described(info.dtype, info.shape)}, got {shown(values)}.")
    return converted(array, info, where)


def _decoded(values: Any) -> Any:
    """The strings as bytes; those of ``{"b64": ...}`` decoded. ValueError if one is no base64."""
    if isinstance(values, list):
        return [_decoded(each) for each in values]
    if isinstance(values, dict) and set(values) == {"b64"} and isinstance(values["b64"], str):
        try:
            return base64.b64decode(values["b64"], validate=True)
        except binascii.Error:
            raise ValueError(f"expected base64, got {shown(values['b64'])}") from None
    return values.encode() if isinstance(values, str) else values


def converted(array: NDArray[Any], info: TensorInfo, where: str) -> NDArray[Any]:
    """The array in the input's type. ProblemError if that is another number: a fraction, or one out of its range."""
    if info.dtype == "string" or array.dtype.kind not in "biufcV" or array.dtype.name.startswith("void"):
        return array  # for the check of types to name
    dtype = dtype_of(info.dtype)
    with np.errstate(all="ignore"):
        cast: NDArray[Any] = array.astype(dtype)
        if dtype.kind in "iub" and not np.array_equal(cast.astype(array.dtype), array):
            raise ProblemError(f"{where}: some numbers are none of {info.dtype}: a fraction, or out of its range.")
    return cast


def dtype_of(name: str) -> np.dtype[Any]:
    """numpy's dtype of a signature's. ProblemError if Python has none."""
    try:
        return np.dtype(name)
    except TypeError:
        pass
    try:
        return ml_dtype(name)
    except (TypeError, AttributeError):
        raise ProblemError(
            f"The model takes {name}, which needs the package ml_dtypes: pip install ml_dtypes."
        ) from None
