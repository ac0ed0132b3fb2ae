"""PredictRequest messages, and a memory for their forms: what one client sends differs mostly in the numbers alone.

A form is a request without the numbers in it. A request of a known form is told by comparing bytes, and its tensors are
views of the payload: no message is built and nothing is copied. Every other request goes through the message class,
and a ``Reader`` without any form gives the same answers.
"""

from collections.abc import Callable
from itertools import count, islice, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.codecs.predict.large import LargeRequest
from serving.codecs.protobuf import model_spec, pieces, tensor_proto, wire
from serving.core.model_spec import ModelSpec
from serving.core.tensor import DataType, Tensor
from serving.protos import PredictRequest as Message

_MOST_FORMS = 256
_MOST_OF_A_LENGTH = 4
_LARGEST_FRAME = 4096
"""Bytes that are kept of a request: names, sizes, filters. Together with the other two: a megabyte at most."""
_MOST_FIELDS = 256
_LEARN_EVERY = 8
"""One in so many requests of no known form is learned: it costs as much as answering, and clients repeat themselves."""

_INPUTS_NUMBER, _INPUTS = 2, 0x12
_ENTRY = [0x0A, 0x12]
"""Tags of a map entry, and below of a TensorProto's parts, as every client writes them: each once, in this order."""
_DTYPE_AND_SHAPE = [0x08, 0x12]
_CONTENT = 0x22
_PACKED = {DataType.FLOAT: 0x2A, DataType.DOUBLE: 0x32}
"""Typed fields whose packed form is the numbers themselves."""


class PredictRequest(NamedTuple):
    """What a request says. ``spec`` is None without a model_spec; ``sent`` are the aliases of its inputs.

    ``tensor`` gives the tensor of one of them, None where ``tensor_proto.decode`` does.
    """

    spec: ModelSpec | None
    sent: tuple[str, ...]
    output_filter: tuple[str, ...]
    tensor: Callable[[str], Tensor | None]
    elements: int = 0
    """How many elements the shapes declare, of a message that was parsed whole."""

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
        lambda alias: tensor_proto.decode(inputs[alias]),
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
        lambda alias: tensor_proto.decode(*inputs[alias]),
    )


class Reader:
    """Reads serialised requests and learns their forms, one in ``learn_every`` that it does not know. Thread-safe."""

    def __init__(self, learn_every: int = _LEARN_EVERY) -> None:
        self._forms: dict[int, tuple[_Form, ...]] = {}
        self._learn_every = learn_every
        self._unknown = count()

    def known(self, payload: bytes) -> PredictRequest | None:
        """The request if its form is known, which takes microseconds at any size."""
        for form in self._forms.get(len(payload), ()):
            request = form.read(payload)
            if request is not None:
                return request
        return None

    def read(self, payload: bytes) -> PredictRequest:
        """The request. Raises protobuf's DecodeError if the bytes are none."""
        request = self.known(payload)
        if request is not None:
            return request
        if len(payload) < pieces.LARGE:
            message = Message.FromString(payload)
            request = of_message(message)._replace(elements=_elements(message))
        else:
            request = _of_large(LargeRequest(payload))
        if next(self._unknown) % self._learn_every == 0:
            self._learn(payload, request)
        return request

    def _learn(self, payload: bytes, request: PredictRequest) -> None:
        try:
            form = _form(payload, request)
        except ValueError:  # a group, in what is no field of ours; or fields without end
            form = None
        if form is None:
            return
        forms = dict(self._forms)  # replaced whole: other threads are reading
        forms[len(payload)] = (form, *forms.pop(len(payload), ()))[:_MOST_OF_A_LENGTH]
        if len(forms) > _MOST_FORMS:
            del forms[next(iter(forms))]
        self._forms = forms


class _Numbers(NamedTuple):
    """Where the elements of one input lie, and what they are."""

    alias: str
    dtype: DataType
    storage: np.dtype[Any]
    shape: tuple[int, ...]
    size: int
    start: int
    end: int

    def tensor(self, payload: bytes) -> Tensor:
        array: NDArray[Any] = np.frombuffer(payload, self.storage, self.size, self.start)
        return Tensor(self.dtype, array if len(self.shape) == 1 else array.reshape(self.shape))


class _Form:
    """One form: the request it stands for without its tensors, the bytes around the numbers, the numbers' places."""

    __slots__ = ("_between", "_head", "_numbers", "_request", "_tail")

    def __init__(self, payload: bytes, request: PredictRequest, numbers: list[_Numbers]) -> None:
        self._numbers = tuple(numbers)
        self._request = (request.spec, request.sent, request.output_filter)
        self._head = payload[: numbers[0].start]
        self._tail = payload[numbers[-1].end :]
        gaps = [slice(one.end, next_.start) for one, next_ in pairwise(numbers)]
        self._between = tuple((gap, payload[gap]) for gap in gaps)

    def read(self, payload: bytes) -> PredictRequest | None:
        """The request that a payload of this form's length is, None if it is of another form."""
        if not (payload.startswith(self._head) and payload.endswith(self._tail)):
            return None
        for gap, between in self._between:
            if payload[gap] != between:
                return None
        tensors = {each.alias: each.tensor(payload) for each in self._numbers}
        return PredictRequest(*self._request, tensors.get)


def _form(payload: bytes, request: PredictRequest) -> _Form | None:
    """The form of a request, None if it has none: strings, odd messages, nothing but names, names without end."""
    numbers = []
    for tag, start, end in _few_fields(payload, 0, len(payload)):
        if tag >> 3 == _INPUTS_NUMBER:
            found = _numbers(payload, request, start, end) if tag == _INPUTS else None
            if found is None:
                return None
            numbers.append(found)
    frame = len(payload) - sum(each.end - each.start for each in numbers)
    if not numbers or len(numbers) != len(request.sent) or frame > _LARGEST_FRAME:
        return None
    return _Form(payload, request, numbers)


def _numbers(payload: bytes, request: PredictRequest, start: int, end: int) -> _Numbers | None:
    """The elements of the map entry between ``start`` and ``end``, if its TensorProto is as clients write it."""
    entry = _few_fields(payload, start, end)
    if [tag for tag, *_ in entry] != _ENTRY:
        return None
    (_, *key), (_, *value) = entry
    parts = _few_fields(payload, *value)
    if [tag for tag, *_ in parts[:-1]] != _DTYPE_AND_SHAPE or payload[parts[0][1]] == DataType.STRING:
        return None
    alias = payload[slice(*key)].decode()
    tensor = request.tensor(alias)
    if tensor is None:
        return None
    (tag, first, last), (dtype, array) = parts[-1], tensor
    if tag not in (_CONTENT, _PACKED.get(dtype)) or not array.nbytes == last - first > 0:
        return None
    return _Numbers(alias, dtype, array.dtype, array.shape, array.size, first, last)


def _few_fields(payload: bytes, start: int, stop: int) -> list[tuple[int, int, int]]:
    """The fields of what may be part of a form. Raises ValueError if they are more than any form has."""
    fields = list(islice(wire.fields(payload, start, stop), _MOST_FIELDS + 1))
    if len(fields) > _MOST_FIELDS:
        raise ValueError(f"more than {_MOST_FIELDS} fields")
    return fields
