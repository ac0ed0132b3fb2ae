"""The forms of ModelInferRequests: the request without the numbers in it, and without its id, which changes as well."""

from collections.abc import Hashable
from typing import NamedTuple

from serving.codecs.open_inference import message
from serving.codecs.open_inference.infer import InferInput, InferRequest, WantedOutput
from serving.codecs.protobuf.forms import LARGEST_FRAME, LEARN_EVERY, FormReader, Frame, Numbers, few_fields
from serving.core.model_spec import ModelSpec
from serving.core.tensor import DataType, Tensor
from serving.errors import ServingError

_PACKED = {DataType.FLOAT: 0x32, DataType.DOUBLE: 0x3A}
"""Typed contents whose packed form is the numbers themselves."""

_new = tuple.__new__
_NO_ID = b""


class Outline(NamedTuple):
    """What requests of one form have in common. ``key`` stands for all that decides which call they are."""

    spec: ModelSpec | None
    signature_name: str
    timeout_ms: int
    names: tuple[str, ...]
    outputs: tuple[WantedOutput, ...]
    classified: bool
    key: Hashable


class KnownRequest(NamedTuple):
    """A request of a known form: the ``tensors`` of its ``names``, and the field of its id as it came, maybe empty."""

    spec: ModelSpec | None
    signature_name: str
    timeout_ms: int
    outline: Outline
    tensors: list[Tensor]
    id_field: bytes

    @property
    def elements(self) -> int:
        """As of ``InferRequest``."""
        return 0

    def whole(self) -> InferRequest:
        """The same as any other request."""
        outline = self.outline
        inputs = {
            name: InferInput(name, tensor.dtype, tensor.array.shape, lambda tensor=tensor: tensor)  # type: ignore[misc]
            for name, tensor in zip(outline.names, self.tensors, strict=True)
        }
        return InferRequest(inputs, outline.outputs, "", self.spec, False, self.signature_name, self.timeout_ms)


Request = InferRequest | KnownRequest


class Reader(FormReader[Request]):
    """Reads serialised requests, and learns the forms of one in ``learn_every`` that it does not know."""

    def __init__(self, learn_every: int = LEARN_EVERY) -> None:
        super().__init__(message.read, _form, learn_every)


class _Form(Frame):
    """One form: the outline, the frame of its tensors, which has the id as a gap, and where that field is."""

    __slots__ = ("_id_field", "_start")

    def __init__(self, payload: bytes, outline: Outline, numbers: list[Numbers], id_at: tuple[int, int, int]) -> None:
        tag_at, first, end = id_at
        super().__init__(payload, numbers, [(first, end)] if end > first else [])
        self._start = outline.spec, outline.signature_name, outline.timeout_ms, outline
        self._id_field = slice(tag_at, end) if end > first else None

    def read(self, payload: bytes) -> KnownRequest | None:
        """The request that a payload of this form's length is, None if it is of another form."""
        tensors = self.tensors(payload)
        if tensors is None:
            return None
        id_field = payload[self._id_field] if self._id_field is not None else _NO_ID
        if not id_field.isascii():
            return None  # its id may be no text
        return _new(KnownRequest, (*self._start, tensors, id_field))


def _form(payload: bytes, request: Request) -> _Form | None:
    """The form of a request, None if it has none: strings, odd messages, no numbers, names without end."""
    if isinstance(request, KnownRequest):
        return None
    fields = few_fields(payload, 0, len(payload))
    places = _places(payload, fields)
    numbers = [_numbers(each, *place) for each, place in zip(request.inputs.values(), places, strict=False)]
    found = [each for each in numbers if each is not None]
    ids = [(before, start, end) for (before, tag, start, end) in _with_starts(fields) if tag == message.ID]
    frame = len(payload) - sum(each.end - each.start for each in found)
    if not found or len(found) != len(request.inputs) or len(ids) > 1 or frame > LARGEST_FRAME:
        return None
    names = tuple(request.inputs)
    key = ("ModelInfer", request.signature_name, names, tuple([each.dtype for each in found]), request.outputs)
    classified = any(each.classes for each in request.outputs)
    outline = Outline(request.spec, request.signature_name, request.timeout_ms, names, request.outputs, classified, key)
    return _Form(payload, outline, found, ids[0] if ids else (0, 0, 0))


def _with_starts(fields: list[tuple[int, int, int]]) -> list[tuple[int, int, int, int]]:
    """The fields, each with the position at which its tag begins."""
    starts = [0, *(end for _, _, end in fields)]
    return [(start, *field) for start, field in zip(starts, fields, strict=False)]


def _places(payload: bytes, fields: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Where the contents of each input lie, with the tag of their field."""
    raws = [field for field in fields if field[0] == message.RAW]
    if raws:
        return raws
    inner = [few_fields(payload, *rest) for tag, *rest in fields if tag == message.INPUT]
    typed = [[field for field in each if field[0] == message.CONTENTS] for each in inner]
    if any(len(each) != 1 for each in typed):
        return []
    parts = [few_fields(payload, *each[0][1:]) for each in typed]
    return [each[0] for each in parts] if all(len(each) == 1 for each in parts) else []


def _numbers(each: InferInput, tag: int, start: int, end: int) -> Numbers | None:
    """The elements of an input, if they lie there as they are in memory."""
    if each.dtype is DataType.STRING or tag not in (message.RAW, _PACKED.get(each.dtype)):
        return None
    try:
        dtype, array = each.read()
    except ServingError:
        return None
    if not array.nbytes == end - start > 0:
        return None
    return Numbers(dtype, array.dtype, array.shape, array.size, start, end)
