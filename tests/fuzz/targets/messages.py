"""Protobuf requests and their parts, against protobuf's own parser and rules written out value by value."""

from contextlib import suppress
from random import Random
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from serving.codecs.predict import cost
from serving.codecs.predict.large import LargeRequest
from serving.codecs.predict.request import PredictRequest, Reader
from serving.codecs.protobuf import model_spec, pieces, string_content, tensor_fields, tensor_proto, wire
from serving.core.model_spec import ModelSpec
from serving.core.tensor import Tensor
from serving.errors import ServingError, invalid_argument
from serving.inference import messages as requests
from serving.protos import ClassificationRequest, Example, MultiInferenceRequest, RegressionRequest, TensorProto
from serving.protos import PredictRequest as PredictMessage
from tests.fuzz import messages
from tests.fuzz.drawing import chance, mutated, some_bytes
from tests.fuzz.target import Target, is_refused, unless_refused

_DAMAGED = 6
"""In a hundred."""
_LONG = 2
_KINDS = (ClassificationRequest, RegressionRequest, MultiInferenceRequest)


def _written(random: Random, message: Any) -> bytes:
    """A message on the wire, as some encoder may write it."""
    data: bytes = message.SerializeToString()
    if chance(random, 30):
        data = messages.rewritten(random, data)
    if chance(random, 10):
        data += message.SerializeToString()
    return mutated(random, data) if chance(random, _DAMAGED) else data


def _predict(random: Random) -> bytes:
    made = PredictMessage()
    if chance(random, 90):
        made.model_spec.name, made.model_spec.signature_name = "m", random.choice(("", "serving_default", "s"))
    if chance(random, 30):
        made.model_spec.version.value = random.choice((0, 1, 2**63 - 1, -1))
    for _ in range(random.choice((0, 1, 1, 1, 2, 4))):
        made.inputs[random.choice(("x", "y", "", "ü"))].CopyFrom(messages.tensor(random))
    made.output_filter.extend(random.sample(("y", "z", ""), random.choice((0, 0, 0, 1, 2))))
    if chance(random, _LONG):
        _lengthen(random, made)
    return _written(random, made)


def _lengthen(random: Random, message: Any) -> None:
    """So long that it is read in pieces."""
    proto = message.inputs["long"]
    proto.dtype = random.choice((1, 3, 7, 9))
    proto.tensor_shape.dim.add(size=30_000)
    if proto.dtype == 7:
        proto.string_val.extend([b"text" * 3] * 30_000)
    elif chance(random, 50):
        proto.tensor_content = bytes(30_000 * (8 if proto.dtype == 9 else 4))
    else:
        getattr(proto, {1: "float_val", 3: "int_val", 9: "int64_val"}[proto.dtype]).extend([-3] * 30_000)


def _check_predict(data: bytes) -> bool:
    """A reader that knows the form of a request says what one says that does not, and both what protobuf says."""
    assert 0 <= cost.seconds(data) < 1e6
    read = requests.reading(Reader(learn_every=1), _unreadable)
    expected: Any = _parsed(PredictMessage, data)
    if expected is None:
        assert is_refused(lambda: read(data, False))
        return False
    for _ in range(2):
        _assert_says(read(data, False), expected)
    large = LargeRequest(data)
    assert dict.fromkeys(large.inputs) == dict.fromkeys(expected.inputs)
    assert large.output_filter == list(expected.output_filter)
    for alias, (proto, long) in large.inputs.items():
        _assert_alike(tensor_proto.decode(proto, long), tensor_proto.decode(expected.inputs[alias]))
    assert model_spec.peek(data) == _spec(expected)
    return True


def _unreadable(data: bytes) -> ServingError:
    return invalid_argument("no message")


def _parsed(kind: Any, data: bytes) -> Any | None:
    try:
        return kind.FromString(data)
    except DecodeError:
        return None


def _spec(message: Any) -> ModelSpec | None:
    return model_spec.decode_spec(message.model_spec) if message.HasField("model_spec") else None


def _assert_says(read: PredictRequest, message: Any) -> None:
    assert sorted(read.sent) == sorted(message.inputs)
    assert read.output_filter == tuple(message.output_filter)
    assert read.spec == _spec(message)
    for alias in read.sent:
        _assert_alike(read.tensor(alias), tensor_proto.decode(message.inputs[alias]))


def _assert_alike(one: Tensor | None, other: Tensor | None) -> None:
    if one is None or other is None:
        assert one is other
        return
    assert (one.dtype, one.array.dtype, one.array.shape) == (other.dtype, other.array.dtype, other.array.shape)
    _assert_same_bits(one.array, other.array)


def _assert_same_bits(one: NDArray[Any], other: NDArray[Any]) -> None:
    """To the bit, for NaNs are not equal."""
    if one.dtype == object:
        assert one.ravel().tolist() == other.ravel().tolist()
    else:
        assert one.tobytes() == other.tobytes()


def _tensor(random: Random) -> bytes:
    return _written(random, messages.tensor(random))


def _check_tensor(data: bytes) -> bool:
    proto = _parsed(TensorProto, data)
    try:
        read = tensor_fields.read(data, [(0, len(data))])
    except DecodeError:
        assert proto is None
        return False
    assert proto is not None
    tensor = tensor_proto.decode(proto)
    _assert_alike(tensor_proto.decode(*read), tensor)
    expected = messages.naive(proto)
    if expected is not None and expected.ndim <= 64:
        assert tensor is not None
        assert tensor.array.shape == expected.shape
        _assert_same_bits(tensor.array, expected)
    if tensor is None or tensor.array.size > 10_000:
        return tensor is not None
    for as_content in (False, True):
        again = TensorProto.FromString(tensor_proto.encode(tensor, as_content=as_content))
        _assert_alike(tensor_proto.decode(again), tensor)
    return True


def _string_list(random: Random) -> bytes:
    texts = [some_bytes(random, 200 if chance(random, 5) else 6) for _ in range(random.randrange(1, 20))]
    lengths = [messages.padded(len(text), random.choice((0, 0, 0, 1))) for text in texts]
    return bytes((len(texts),)) + b"".join((*lengths, *texts))


def _check_string_list(data: bytes) -> bool:
    count = max(1, data[0]) if data else 1
    found = string_content.decode(data[1:], count)
    expected = messages.naive(TensorProto(dtype=7, tensor_shape={"dim": [{"size": count}]}, tensor_content=data[1:]))
    if len(data) < 2:
        assert found is None
        return False
    assert (None if found is None else found.tolist()) == (None if expected is None else expected.tolist())
    return found is not None


def _varints(random: Random) -> bytes:
    numbers = [random.randrange(2 ** random.choice((1, 7, 8, 14, 32, 63, 64))) for _ in range(random.randrange(60))]
    return b"".join([messages.padded(number, random.choice((0, 0, 0, 2))) for number in numbers])


def _check_varints(data: bytes) -> bool:
    proto = _parsed(TensorProto, b"\x8a\x01" + wire.varint(len(data)) + data)  # uint64_val, packed
    try:
        found = wire.numbers(data)
    except ValueError:
        assert proto is None
        return False
    assert proto is not None
    assert found.tolist() == list(proto.uint64_val)
    for kind in (np.int32, np.bool_):
        assert wire.numbers(data, kind).tolist() == found.astype(kind).tolist()
    return True


def _examples(random: Random) -> bytes:
    number = random.randrange(len(_KINDS))
    made = messages.filled(random, _KINDS[number])
    if chance(random, 80):
        made.input.example_list.examples.extend([messages.filled(random, Example) for _ in range(random.randrange(3))])
    if chance(random, _LONG):
        features = made.input.example_list.examples.add().features.feature
        features["long"].bytes_list.value.extend([b"a" * 100] * 3000)
    return bytes((number,)) + _written(random, made)


def _check_examples(data: bytes) -> bool:
    kind = _KINDS[data[0] % len(_KINDS)] if data else _KINDS[0]
    expected = _parsed(kind, data[1:])
    found = None
    try:
        found = pieces.parse(kind, data[1:])
    except DecodeError:
        assert expected is None
    if found is None or expected is None:
        assert found is expected
        return False
    assert _canonical(found) == _canonical(expected)
    tasks = requests.tasks_of(found) if kind is MultiInferenceRequest else ()
    if kind is MultiInferenceRequest:
        assert len(tasks) == len(expected.tasks)
        _peek_task(data[1:])
    request = requests.ExamplesMessage(None, found, tasks)
    examples = unless_refused(request.examples)
    assert examples is None or all(isinstance(each, bytes) for each in examples)
    given = found.input
    count = len(
        (
            given.example_list_with_context if given.HasField("example_list_with_context") else given.example_list
        ).examples
    )
    assert examples is None or len(examples) == count
    return True


def _peek_task(data: bytes) -> None:
    """What says of a request whom it is for may find it to be none, as protobuf does for the whole of it."""
    with suppress(DecodeError):
        model_spec.peek_task(data)


def _canonical(message: Any) -> bytes:
    data: bytes = message.SerializeToString(deterministic=True)
    return data


TARGETS = (
    Target(
        name="messages.predict",
        promise="what protobuf's parser gives, by every way of reading, or INVALID_ARGUMENT where it refuses",
        make=_predict,
        check=_check_predict,
        seeds=(b"\n\x03\n\x01m\x12\x16\n\x01x\x12\x11\x08\x01\x12\x04\x12\x02\x08\x01\x2a\x04\0\0\x80?",),
    ),
    Target(
        name="messages.tensor",
        promise="the tensor that TensorFlow's rules give, in pieces as at once, and the same after another encoding",
        make=_tensor,
        check=_check_tensor,
        seeds=(b"\x08\x07\x12\x04\x12\x02\x08\x02B\x01aB\x02bc", b"\x08\x13\x12\0j\x02\x80x"),
    ),
    Target(
        name="messages.string_list",
        promise="the strings that a reader finds which takes one length after the other, or none",
        make=_string_list,
        check=_check_string_list,
        seeds=(b"\2\1\2abc",),
    ),
    Target(
        name="messages.varints",
        promise="the numbers that protobuf reads in a packed field, or ValueError where it refuses",
        make=_varints,
        check=_check_varints,
        seeds=(b"\1\x80\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1",),
    ),
    Target(
        name="messages.examples",
        promise="what protobuf's parser gives of a request with Examples, in pieces as at once; one string per Example",
        make=_examples,
        check=_check_examples,
        seeds=(b"\0\n\x03\n\x01m\x12\x04\n\x02\n\0", b"\2\n\x07\n\x03\n\x01m\x12\0"),
    ),
)
