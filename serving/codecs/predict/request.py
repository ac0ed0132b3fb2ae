"""PredictRequest messages, read by the memory of their forms or through the message class."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from serving.codecs.predict.large import LargeRequest
from serving.codecs.protobuf import model_spec, pieces, tensor_proto
from serving.codecs.protobuf.forms import LARGEST_FRAME, LEARN_EVERY, FormReader, Frame, Numbers, few_fields
from serving.core.model_spec import ModelSpec
from serving.core.tensor import DataType, Tensor
from serving.protos import PredictRequest as Message

_INPUTS_NUMBER, _INPUTS = 2, 0x12
_ENTRY = [0x0A, 0x12]
"""Tags of a map entry, and below of a TensorProto's parts, as every client writes them: each once, in this order."""
_DTYPE_AND_SHAPE = [0x08, 0x12]
_CONTENT = 0x22
_PACKED = {DataType.FLOAT: 0x2A, DataType.DOUBLE: 0x32}
"""Typed fields whose packed form is the numbers themselves."""

# The constructor of a NamedTuple is a function in Python, which takes longer.
_new, _NOTHING = tuple.__new__, dict[str, Tensor]().get


class PredictRequest(NamedTuple):
    """What a request says. ``spec`` is None without a model_spec; ``sent`` are the aliases of its inputs.

    ``tensors`` are theirs, if they are known already; else ``decode`` gives them.
    """

    spec: ModelSpec | None
    sent: tuple[str, ...]
    output_filter: tuple[str, ...]
    tensors: list[Tensor] | None = None
    decode: Callable[[str], Tensor | None] = _NOTHING
    elements: int = 0
    """How many elements the shapes declare, of a message that was parsed whole."""

    def tensor(self, alias: str) -> Tensor | None:
        """The tensor of one of ``sent``, None where ``tensor_proto.decode`` gives that."""
        return self.decode(alias) if self.tensors is None else self.tensors[self.sent.index(alias)]

    @property
    def signature_name(self) -> str:
        """As the request has it, perhaps empty."""
        return "" if self.spec is None else self.spec.signature_name


def of_message(message: Any) -> PredictRequest:
    """The request of a PredictRequest message; tensors are decoded when they are asked for."""
    inputs = message.inputs
    return PredictRequest(
        model_spec.decode_spec(message.model_spec) if message.HasField("model_spec") else None,
        tuple(inputs),
        tuple(message.output_filter),
        decode=lambda alias: tensor_proto.decode(inputs[alias]),
    )


def _elements(message: Any) -> int:
    total = 0
    for tensor in message.inputs.values():
        elements = 1
        for dim in tensor.tensor_shape.dim:
            elements *= dim.size
        total += elements
    return total


def _of_large(message: LargeRequest) -> PredictRequest:
    inputs = message.inputs
    return PredictRequest(
        None if message.spec is None else model_spec.decode_spec(message.spec),
        tuple(inputs),
        tuple(message.output_filter),
        decode=lambda alias: tensor_proto.decode(*inputs[alias]),
    )


def _parse(payload: bytes) -> PredictRequest:
    if len(payload) >= pieces.LARGE:
        return _of_large(LargeRequest(payload))
    message = Message.FromString(payload)
    return of_message(message)._replace(elements=_elements(message))


class Reader(FormReader[PredictRequest]):
    """Reads serialised requests, and learns the forms of one in ``learn_every`` that it does not know."""

    def __init__(self, learn_every: int = LEARN_EVERY) -> None:
        super().__init__(_parse, _form, learn_every)


class _Form(Frame):
    """One form: the request it stands for without its tensors, and the frame of these."""

    __slots__ = ("_request",)

    def __init__(self, payload: bytes, request: PredictRequest, numbers: Mapping[str, Numbers]) -> None:
        super().__init__(payload, [numbers[alias] for alias in request.sent])
        self._request = (request.spec, request.sent, request.output_filter)

    def read(self, payload: bytes) -> PredictRequest | None:
        """The request that a payload of this form's length is, None if it is of another form."""
        tensors = self.tensors(payload)
        if tensors is None:
            return None
        spec, sent, output_filter = self._request
        return _new(PredictRequest, (spec, sent, output_filter, tensors, _NOTHING, 0))


def _form(payload: bytes, request: PredictRequest) -> _Form | None:
    """The form of a request, None if it has none: strings, odd messages, nothing but names, names without end."""
    numbers: dict[str, Numbers] = {}
    for tag, start, end in few_fields(payload, 0, len(payload)):
        if tag >> 3 == _INPUTS_NUMBER:
            found = _numbers(payload, request, start, end) if tag == _INPUTS else None
            if found is None or found[0] in numbers:
                return None
            numbers.update([found])
    frame = len(payload) - sum(each.end - each.start for each in numbers.values())
    if not numbers or len(numbers) != len(request.sent) or frame > LARGEST_FRAME:
        return None
    return _Form(payload, request, numbers)


def _numbers(payload: bytes, request: PredictRequest, start: int, end: int) -> tuple[str, Numbers] | None:
    """What the map entry from ``start`` to ``end`` has by which alias, if its TensorProto is as clients write it."""
    entry = few_fields(payload, start, end)
    if [tag for tag, *_ in entry] != _ENTRY:
        return None
    (_, *key), (_, *value) = entry
    parts = few_fields(payload, *value)
    if [tag for tag, *_ in parts[:-1]] != _DTYPE_AND_SHAPE or payload[parts[0][1]] == DataType.STRING:
        return None
    alias = payload[slice(*key)].decode()
    tensor = request.tensor(alias)
    if tensor is None:
        return None
    (tag, first, last), (dtype, array) = parts[-1], tensor
    if tag not in (_CONTENT, _PACKED.get(dtype)) or not array.nbytes == last - first > 0:
        return None
    return alias, Numbers(dtype, array.dtype, array.shape, array.size, first, last)
