"""Messages of any class, filled by their descriptors with values that requests and configurations have."""

from collections.abc import Callable, Sequence
from random import Random
from types import MappingProxyType
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message_factory import GetMessageClass

from serving.codecs.protobuf import wire
from serving.codecs.protobuf.tensor_proto import FIELDS
from serving.core.tensor import STORAGE, DataType
from serving.protos import ConfigProto, SavedModelBundleSourceAdapterConfig, TensorProto
from tests.fuzz.drawing import chance, some_bytes

_DEEPEST = 6
_WORDS = ("", "x", "y", "x:0", "a", "b", "m", "s", "inputs", "outputs", "scores", "classes", "serving_default", "ü")
_MORE_WORDS = (
    "classify",
    "regress",
    "two",
    "/models/m",
    "tensorflow",
    "tensorflow/serving/classify",
    "stable",
    "tfrecord",
)
_RANGES = MappingProxyType(
    {
        Field.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
        Field.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
        Field.CPPTYPE_UINT32: (0, 2**32 - 1),
        Field.CPPTYPE_UINT64: (0, 2**64 - 1),
    }
)
_NUMBERS = (0.0, 1.0, -1.5, 0.25, 1e30, 3.0)
_ODD_SIZES = (-1, 2**31, 2**40, 2**62, 2**63 - 1)


def filled(random: Random, kind: Callable[[], Any], depth: int = 0) -> Any:
    """A message of this class; of many fields a few, of few most."""
    made = kind()
    if made.DESCRIPTOR.full_name == "google.protobuf.Any":
        made.Pack(filled(random, random.choice((SavedModelBundleSourceAdapterConfig, ConfigProto)), depth + 1))
        return made
    fields = made.DESCRIPTOR.fields
    for field in random.sample(list(fields), min(len(fields), random.choice((1, 2, 2, 3, 5)))):
        if depth < _DEEPEST or field.message_type is None:
            _fill(random, made, field, depth)
    return made


def _fill(random: Random, message: Any, field: Any, depth: int) -> None:
    holder = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        _fill_map(random, holder, field.message_type.fields_by_name, depth)
    elif field.message_type is not None:
        made = [_message(random, field.message_type, depth) for _ in range(_count(random) if field.is_repeated else 1)]
        if field.is_repeated:
            holder.extend(made)
        elif made:
            holder.CopyFrom(made[0])
    elif field.is_repeated:
        holder.extend([value(random, field) for _ in range(_count(random))])
    else:
        setattr(message, field.name, value(random, field))


def _fill_map(random: Random, holder: Any, fields: Any, depth: int) -> None:
    for _ in range(_count(random)):
        key = value(random, fields["key"])
        if fields["value"].message_type is None:
            holder[key] = value(random, fields["value"])
        else:
            holder[key].CopyFrom(_message(random, fields["value"].message_type, depth))


def _message(random: Random, descriptor: Any, depth: int) -> Any:
    if descriptor.full_name == "tensorflow.TensorProto":
        return tensor(random)
    return filled(random, GetMessageClass(descriptor), depth + 1)


def _count(random: Random) -> int:
    return random.choice((0, 1, 1, 1, 2, 3))


def value(random: Random, field: Any) -> Any:
    """A scalar for a field."""
    match field.cpp_type:
        case Field.CPPTYPE_STRING if field.type == Field.TYPE_STRING:
            return random.choice(_MORE_WORDS if chance(random, 40) else _WORDS)
        case Field.CPPTYPE_STRING:
            return some_bytes(random, 12)
        case Field.CPPTYPE_BOOL:
            return chance(random, 70)
        case Field.CPPTYPE_ENUM:
            return random.choice(field.enum_type.values).number
        case Field.CPPTYPE_FLOAT | Field.CPPTYPE_DOUBLE:
            return random.choice(_NUMBERS)
        case kind:
            least, most = _RANGES[kind]
            return random.choice((0, 1, 1, 2, 3, 8, 64, least, most))


def tensor(random: Random) -> Any:
    """A TensorProto: mostly one that TensorFlow takes, in its typed field or in its content, whole or not."""
    dtype = random.choice((DataType.FLOAT, DataType.INT64, DataType.STRING, *FIELDS))
    made = TensorProto(dtype=random.randrange(130) if chance(random, 2) else dtype)
    made.tensor_shape.SetInParent()
    count = 1
    for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
        size = random.choice(_ODD_SIZES) if chance(random, 2) else random.choice((0, 1, 2, 3, 5, 17))
        made.tensor_shape.dim.add(size=size)
        count *= size
    count = max(0, min(count, 300))
    if chance(random, 40):
        made.tensor_content = content(random, dtype, count if chance(random, 90) else random.randrange(20))
    if not made.tensor_content or chance(random, 5):
        values(random, made, dtype, random.choice((count, count, count, count + 1, count // 2, 0)))
    return made


def content(random: Random, dtype: DataType, count: int) -> bytes:
    """So many elements as they lie in memory, or strings as TensorFlow lists them."""
    if dtype is DataType.STRING:
        texts = [some_bytes(random, 5) for _ in range(count)]
        return b"".join([wire.varint(len(text)) for text in texts] + texts)
    return random.randbytes(count * STORAGE[dtype].itemsize)


def values(random: Random, proto: Any, dtype: DataType, count: int) -> None:
    """So many elements into the typed field."""
    name = FIELDS[dtype]
    if name == "float8_val":
        proto.float8_val = random.randbytes(count)
        return
    field = proto.DESCRIPTOR.fields_by_name[name]
    each = count * 2 if name in ("scomplex_val", "dcomplex_val") else count
    getattr(proto, name).extend([value(random, field) for _ in range(each)])


def rewritten(random: Random, message: bytes) -> bytes:
    """The same fields as another encoder may write them: in another order, and lengths with more bytes than needed."""
    parts: list[bytes] = []
    for tag, start, end in wire.fields(message, 0, len(message)):
        longer = random.choice((0, 0, 0, 1, 2)) if tag & 7 == 2 else 0
        length = padded(end - start, longer) if tag & 7 == 2 else b""
        parts.append(padded(tag, random.choice((0, 0, 0, 1))) + length + message[start:end])
    if chance(random, 50):
        random.shuffle(parts)
    return b"".join(parts)


def padded(number: int, more: int) -> bytes:
    """A number in base 128, with this many bytes more than it needs."""
    data = bytearray(wire.varint(number))
    for _ in range(min(more, 5 - len(data))):
        data[-1] |= 128
        data.append(0)
    return bytes(data)


def naive(proto: Any) -> "np.ndarray[Any, Any] | None":
    """What TensorFlow makes of a TensorProto, worked out value by value; None where it refuses."""
    dtype = DataType(proto.dtype) if proto.dtype in FIELDS else None
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    if dtype is None or any(size < 0 for size in sizes):
        return None
    count = 1
    for size in sizes:
        count *= size
    if count > 10_000:
        return None
    elements = _of_content(proto.tensor_content, dtype, count) if proto.tensor_content else _of_values(proto, dtype)
    if elements is None:
        return None
    missing = elements[-1] if elements else b"" if dtype is DataType.STRING else 0
    made = np.empty(count, STORAGE[dtype])
    made[:] = [*elements[:count], *[missing] * (count - len(elements))]
    try:
        return made.reshape(sizes)
    except ValueError:  # no elements, and sizes that numpy cannot have
        return None


def _of_content(data: bytes, dtype: DataType, count: int) -> list[Any] | None:
    if count == 0:
        return []
    if dtype is DataType.STRING:
        return _strings(data, count)
    size = STORAGE[dtype].itemsize
    if len(data) != count * size:
        return None
    return [np.frombuffer(data[at : at + size], STORAGE[dtype])[0] for at in range(0, len(data), size)]


def _strings(data: bytes, count: int) -> list[Any] | None:
    lengths, at, found = [], 0, []
    try:
        for _ in range(count):
            length, at = wire.read_varint(data, at, 5)
            lengths.append(length)
    except (IndexError, ValueError):
        return None
    for length in lengths:
        found.append(data[at : at + length])
        at += length
    return found if at == len(data) else None


def _of_values(proto: Any, dtype: DataType) -> Sequence[Any]:
    given = list(getattr(proto, FIELDS[dtype]))
    kept = STORAGE[dtype]
    if dtype in (DataType.COMPLEX64, DataType.COMPLEX128):
        return [complex(real, imaginary) for real, imaginary in zip(given[::2], given[1::2], strict=False)]
    if dtype is DataType.HALF:
        return [np.array(each & 0xFFFF, np.uint16).view(np.float16)[()] for each in given]
    if kept.kind in "iu":
        return [np.array(each % 2**64, np.uint64).astype(kept)[()] for each in given]
    return given
