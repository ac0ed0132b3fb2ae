"""ModelInferResponse messages, written straight to the wire: raw contents are the arrays' own memory.

What is around the numbers depends on dtypes and shapes only, and is worked out once for each combination.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Protocol

from serving.codecs.open_inference import raw
from serving.codecs.open_inference.datatypes import DATATYPES, undeclarable
from serving.codecs.protobuf.wire import STEP, field, joined, varint
from serving.core.servable import ServableId
from serving.core.tensor import DataType, Tensor
from serving.protos import message

_MODEL_NAME, _MODEL_VERSION, _ID, _OUTPUT, _RAW = b"\x0a", b"\x12", b"\x1a", b"\x2a", b"\x32"
_NAME, _DATATYPE, _SHAPE = b"\x0a", b"\x12", b"\x1a"
_ERROR, _ANSWER = b"\x0a", b"\x12"
"""The fields of ModelStreamInferResponse."""
_FINAL = bytes(
    message("inference.ModelInferResponse")(
        parameters={"triton_final_response": message("inference.InferParameter")(bool_param=True)}
    ).SerializeToString()
)
"""What Triton's clients may wait for: that no other answer to the request follows."""

_KEPT = 1024
_SMALL = 4096
"""Fewer bytes are copied once more faster than they are looked at where they are."""

_STRING = DataType.STRING

Part = bytes | memoryview


def id_field(request_id: str) -> bytes:
    """The field of the id that an answer repeats; nothing for an empty one."""
    return field(_ID, request_id.encode()) if request_id else b""


class Encode(Protocol):
    """Makes an answer of the outputs by name; ``request_id`` is the field of the id.

    Raises ServingError, INVALID_ARGUMENT, for a type that the protocol has no datatype for.
    """

    def __call__(self, outputs: Mapping[str, Tensor], request_id: bytes = b"") -> bytes:
        """The serialised answer."""
        ...


def encoder(servable_id: ServableId) -> Encode:
    """What makes the answers of a version."""
    start = field(_MODEL_NAME, servable_id.name.encode()) + field(_MODEL_VERSION, b"%d" % servable_id.version)
    before = _before

    def encode(outputs: Mapping[str, Tensor], request_id: bytes = b"") -> bytes:
        parts: list[Part] = [start, request_id]
        join: Callable[[list[Part]], bytes] = b"".join
        for name, (dtype, array) in outputs.items():
            if dtype is _STRING:
                data = raw.write(Tensor(dtype, array))
                size = len(data)
                parts += (_output(name, dtype, array.shape), _RAW, varint(size), data)
            else:
                size = array.nbytes
                parts.append(before(name, dtype, array.shape, size))
                parts.append(array.tobytes() if size < _SMALL else raw.write(Tensor(dtype, array)))
            if size > STEP:
                join = joined
        return join(parts)

    return encode


def streamed(answer: bytes) -> bytes:
    """A ModelStreamInferResponse with an answer in it, which is its request's only one."""
    return joined((_ANSWER + varint(len(answer) + len(_FINAL)), answer, _FINAL))


def streamed_error(text: str, request_id: bytes) -> bytes:
    """The same with an error instead; ``request_id`` is the field of the request's id, by which clients tell it."""
    return field(_ERROR, text.encode()) + (field(_ANSWER, request_id) if request_id else b"")


@lru_cache(_KEPT)
def _before(name: str, dtype: DataType, shape: tuple[int, ...], size: int) -> bytes:
    """What precedes the ``size`` bytes of an output's numbers."""
    return _output(name, dtype, shape) + _RAW + varint(size)


@lru_cache(_KEPT)
def _output(name: str, dtype: DataType, shape: tuple[int, ...]) -> bytes:
    """An output without contents."""
    datatype = DATATYPES.get(dtype)
    if datatype is None:
        raise undeclarable("Output", name, dtype)
    sizes = b"".join(map(varint, shape))
    parts = field(_NAME, name.encode()) + field(_DATATYPE, datatype.encode()) + (field(_SHAPE, sizes) if sizes else b"")
    return field(_OUTPUT, parts)
