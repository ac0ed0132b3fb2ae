"""ModelInferRequests of the Open Inference Protocol, against protobuf's own parser."""

from collections.abc import Callable
from random import Random
from typing import Any

from google.protobuf.message import DecodeError

from serving.codecs.open_inference import cost, message, response
from serving.codecs.open_inference.contents import FIELDS
from serving.codecs.open_inference.datatypes import DATATYPES
from serving.codecs.open_inference.forms import KnownRequest, Reader, Request
from serving.core.model_spec import ModelSpec
from serving.core.servable import ServableId
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.errors import ServingError
from serving.protos import message as message_class
from tests.fuzz import messages
from tests.fuzz.drawing import chance, mutated, some_bytes
from tests.fuzz.target import Target

_DAMAGED = 8
"""In a hundred."""
_LONG = 2
_FIELDS = ("bool", "int", "int64", "uint", "uint64", "fp32", "fp64", "bytes")
_Parameter = message_class("inference.InferParameter")
_NAMES = ("x", "y", "", "ü")


def _infer(random: Random) -> bytes:
    made = message.ModelInferRequest(
        model_name="" if chance(random, 5) else "m",
        model_version=random.choice(("", "", "1", "stable", "9" * (30 if chance(random, 20) else 3))),
        id=random.choice(("", "7", "ü-1")),
    )
    raw = chance(random, 60)
    for name in random.sample(_NAMES, random.choice((1, 1, 1, 2, 3))):
        _add(random, made, name, raw=raw if chance(random, 95) else not raw)
    for name in random.sample(("y", "z"), random.choice((0, 0, 1, 2))):
        output = made.outputs.add(name=name)
        if chance(random, 30):
            output.parameters["classification"].int64_param = random.choice((0, 1, 5, -1))
    for name in ("timeout", "signature_name", "priority", "mine"):
        if chance(random, 15):
            made.parameters[name].CopyFrom(messages.filled(random, _Parameter))
    data: bytes = made.SerializeToString()
    if chance(random, 20):
        data = messages.rewritten(random, data)
    return mutated(random, data) if chance(random, _DAMAGED) else data


def _add(random: Random, made: Any, name: str, *, raw: bool) -> None:
    dtype = random.choice(list(DATATYPES))
    count = random.choice((0, 1, 2, 6)) if chance(random, 100 - _LONG) else 70_000
    shape = [count] if chance(random, 80) else [count, 1]
    each = made.inputs.add(name=name, datatype=DATATYPES[dtype] if chance(random, 97) else "FP8", shape=shape)
    count = count if chance(random, 95) else count + 1
    if raw:
        made.raw_input_contents.append(_raw(random, dtype, count))
        return
    for field in FIELDS.get(dtype, "fp32_contents"), random.choice(_FIELDS) + "_contents":
        values = b"abc" if field == "bytes_contents" else random.choice((0, 1, 1, 100, 300))
        getattr(each.contents, field).extend([bool(values) if field == "bool_contents" else values] * count)
        if chance(random, 97):
            return


def _raw(random: Random, dtype: DataType, count: int) -> bytes:
    if dtype is not DataType.STRING:
        size = count * STORAGE[dtype].itemsize
        return random.randbytes(size) if count < 100 else b"\1" * size
    values = [some_bytes(random, 6) for _ in range(count)] if count < 100 else [b"text"] * count
    return b"".join([len(value).to_bytes(4, "little") + value for value in values])


def _outcome(read: Callable[[bytes], Request], data: bytes) -> Any:
    """What reading comes to, with all tensors to the bit."""
    try:
        found = read(data)
        whole, id_field = (found.whole(), found.id_field) if isinstance(found, KnownRequest) else (found, b"")
        if id_field:
            whole = whole._replace(id=message.ModelInferRequest.FromString(id_field).id)
        return whole._asdict() | {"inputs": {name: _tensor(each.read) for name, each in whole.inputs.items()}}
    except DecodeError:
        return None
    except ServingError as error:
        return error.text


def _tensor(read: Callable[[], Tensor]) -> Any:
    try:
        dtype, array = read()
    except ServingError as error:
        return error.text
    return dtype, array.dtype, array.shape, array.tolist() if array.dtype == object else array.tobytes()


def _check(data: bytes) -> bool:
    """Read by its form, in pieces and at once, a request is the same, or refused with the same text."""
    assert 0 <= cost.seconds(data) < 1e6
    reader = Reader(learn_every=1)
    expected = _outcome(lambda payload: message.of_message(message.ModelInferRequest.FromString(payload)), data)
    for read in (message.read, message.read_large, reader.read, reader.read):
        assert _outcome(read, data) == expected
    peeked = message.peek(data)
    field = message.id_field(data)
    if not isinstance(expected, dict):
        return False
    assert peeked == expected["spec"]
    assert message.ModelInferRequest.FromString(field).id == expected["id"]
    _check_answer(expected["spec"], reader.read(data))
    return True


def _check_answer(spec: ModelSpec, request: Request) -> None:
    """The request's tensors as outputs are read back by protobuf."""
    whole = request.whole() if isinstance(request, KnownRequest) else request
    try:
        outputs = {name: each.read() for name, each in whole.inputs.items()}
    except ServingError:
        return
    data = response.encoder(ServableId(name=spec.name, version=1))(outputs, response.id_field(whole.id))
    made = message_class("inference.ModelInferResponse").FromString(data)
    assert [each.name for each in made.outputs] == list(outputs)
    assert [tuple(each.shape) for each in made.outputs] == [each.array.shape for each in outputs.values()]
    assert len(made.raw_output_contents) == len(outputs)


TARGETS = (
    Target(
        name="infer_messages.infer",
        promise="what protobuf's parser gives, by its form, in pieces or at once; else one and the same refusal",
        make=_infer,
        check=_check,
        seeds=(
            b"\n\x01m\x1a\x017*\x0c\n\x01x\x12\x04FP32\x1a\x01\x01:\x04\0\0\x80?",
            b"\n\x01m*\x12\n\x01x\x12\x05INT32\x1a\x01\x02*\x03\x12\x01\x05",
        ),
    ),
)
