"""Answers to inference requests: one line of JSON, behind which are the tensors that are asked for as bytes.

There is a line feed between the two and nowhere else before it, so that the bytes themselves say where the JSON ends.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from serving.codecs.open_inference import raw
from serving.codecs.open_inference.datatypes import DATATYPES
from serving.codecs.open_inference.infer import InferRequest, results
from serving.codecs.open_inference.json_data import BINARY_ONLY, binary_only
from serving.codecs.protobuf.wire import STEP, joined
from serving.core.servable import ServableId
from serving.core.tensor import DataType, Tensor
from serving.errors import invalid_argument

_LINE_FEED = b"\n"
_END, _END_AND_MORE = b"]}", b"]}" + _LINE_FEED
_join: Callable[[Sequence[Any]], bytes] = b"".join
_MOST = 2**16
"""Elements that are written in one go: no other thread runs meanwhile."""


def write(request: InferRequest, servable_id: ServableId, outputs: Mapping[str, Tensor]) -> bytes:
    """The answer of a version with these outputs by alias.

    Raises ServingError, INVALID_ARGUMENT: an output that the protocol, or JSON, has no form for.
    """
    parts = [_model(servable_id)]
    if request.id:
        parts += (b',"id":', orjson.dumps(_valid(request.id)))
    parts.append(b',"outputs":[')
    behind: list[bytes | memoryview] = []
    separator, join = b"", _join
    for (name, in_bytes, _), (dtype, array) in results(request, outputs):
        if array.nbytes > STEP:
            join = joined
        if in_bytes:
            data = raw.write(Tensor(dtype, array))
            parts += (separator, _described(name, dtype, array.shape, len(data)))
            behind.append(data)
        else:
            parts += (separator, _described(name, dtype, array.shape, None), *_data(name, Tensor(dtype, array)), b"]}")
        separator = b","
    parts.append(_END if not behind else _END_AND_MORE)
    return join([*parts, *behind])


def json_length(body: bytes) -> int | None:
    """How many of an answer's bytes are JSON, if it has others; None if all are."""
    return body.find(_LINE_FEED) + 1 or None


@lru_cache(256)
def _model(servable_id: ServableId) -> bytes:
    """How an answer of a version begins."""
    model = {"model_name": _valid(servable_id.name), "model_version": str(servable_id.version)}
    return orjson.dumps(model)[:-1]


@lru_cache(1024)
def _described(name: str, dtype: DataType, shape: tuple[int, ...], binary_size: int | None) -> bytes:
    """An output with so many bytes behind the JSON; without, up to its first element."""
    shown: dict[str, Any] = {"name": _valid(name), "datatype": DATATYPES[dtype], "shape": shape}
    if binary_size is None:
        return orjson.dumps(shown)[:-1] + b',"data":['
    return orjson.dumps(shown | {"parameters": {"binary_data_size": binary_size}})


def _valid(text: str) -> str:
    """Without what is no Unicode: a name in a URL may have any bytes, an id half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode()


def _data(name: str, tensor: Tensor) -> list[bytes]:
    """The elements with commas between them, in pieces."""
    dtype, array = tensor
    if dtype in BINARY_ONLY:
        raise binary_only("Output", name, dtype, "binary_data")
    flat = np.ascontiguousarray(array).reshape(-1)
    pieces: list[bytes] = []
    for at in range(0, flat.size, _MOST):
        piece = flat[at : at + _MOST]
        text = _strings(name, piece) if dtype is DataType.STRING else _numbers(piece)
        pieces += (b",", text[1:-1]) if at else (text[1:-1],)
    return pieces


def _numbers(array: NDArray[Any]) -> bytes:
    if array.dtype.kind == "f" and not np.isfinite(array).all():  # as other servers write what JSON has not
        return json.dumps(array.tolist(), separators=(",", ":")).encode()
    return orjson.dumps(array, option=orjson.OPT_SERIALIZE_NUMPY)


def _strings(name: str, array: NDArray[Any]) -> bytes:
    try:
        return orjson.dumps([value.decode() for value in array.tolist()])
    except UnicodeDecodeError:
        raise invalid_argument(
            f'Output "{name}" has a string that is no UTF-8, which JSON cannot carry; expected it to be asked for as '
            "binary data: see the parameter binary_data"
        ) from None
