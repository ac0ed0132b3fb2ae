"""What the tests of the Open Inference Protocol's codec share: tensors of every type, and requests that have them."""

import json
import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from serving.codecs.open_inference import json_request
from serving.codecs.open_inference.datatypes import DATATYPES
from serving.codecs.open_inference.infer import InferRequest
from serving.core.tensor import STORAGE, DataType, Tensor

SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)

FLOATS = Tensor(DataType.FLOAT, np.array([1.5, 2.5], np.float32))
LONG = 5000
"""More than is read as a whole."""


def _of(dtype: DataType) -> st.SearchStrategy[Tensor]:
    if dtype is DataType.STRING:
        elements: Any = TEXTS.map(str.encode)
    elif STORAGE[dtype].kind == "f":
        elements = arrays.from_dtype(STORAGE[dtype], allow_nan=False, allow_infinity=False)
    else:
        elements = None
    return st.builds(Tensor, st.just(dtype), arrays.arrays(STORAGE[dtype], SHAPES, elements=elements))


TENSORS = st.sampled_from(sorted(DATATYPES)).flatmap(_of)
"""A tensor of any type that the protocol has, its strings UTF-8."""


def raw(tensor: Tensor) -> bytes:
    """A tensor's bytes, as the specification says that they are."""
    if tensor.dtype is DataType.STRING:
        return b"".join(struct.pack("<I", len(value)) + value for value in tensor.array.ravel())
    return tensor.array.tobytes()


def given(name: str, tensor: Tensor, **more: Any) -> dict[str, Any]:
    """The head of an input."""
    return {"name": name, "datatype": DATATYPES[tensor.dtype], "shape": list(tensor.array.shape), **more}


def listed(array: NDArray[Any]) -> Any:
    """An array's elements as JSON has them, nested."""
    if array.dtype == object:
        flat = [value.decode() for value in array.ravel()]
        return np.array(flat, object).reshape(array.shape).tolist()
    return array.tolist()


def in_json(name: str, tensor: Tensor, *, flat: bool = True) -> dict[str, Any]:
    """An input with its data in JSON; that of a scalar is always a list."""
    array = tensor.array.ravel() if flat or not tensor.array.ndim else tensor.array
    return given(name, tensor, data=listed(array))


def in_bytes(name: str, tensor: Tensor) -> dict[str, Any]:
    """An input with its data behind the JSON."""
    return given(name, tensor, parameters={"binary_data_size": len(raw(tensor))})


def nothing(seconds: float) -> None:
    """Time is not limited."""


def read(
    document: Any, behind: bytes = b"", *, padding: int = 0, check: Callable[[float], None] = nothing
) -> InferRequest:
    """The request of a document, with ``padding`` blanks in it and bytes behind it."""
    text = (json.dumps(document) + " " * padding).encode()
    return json_request.read(text + behind, len(text) if behind else None, check)


def tensors(request: InferRequest) -> Mapping[str, Tensor]:
    """Every input of a request."""
    return {name: each.tensor(each.dtype) for name, each in request.inputs.items()}


def alike(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same, bit for bit."""
    (dtype, array), (other_dtype, other_array) = one, other
    if dtype is not other_dtype or array.shape != other_array.shape or array.dtype != other_array.dtype:
        return False
    if array.dtype == object:
        return bool(array.ravel().tolist() == other_array.ravel().tolist())
    return array.tobytes() == other_array.tobytes()


def one(**changed: Any) -> dict[str, Any]:
    """A request with one input, some of whose members are others, or missing where they are None."""
    made = in_json("x", FLOATS) | changed
    return {"inputs": [{name: value for name, value in made.items() if value is not None}]}


BYTES = {"datatype": "BYTES", "data": None}
