"""ModelInferRequest messages: as values whatever they are like; those of many bytes are read in pieces."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from serving.codecs.open_inference import contents, parameters, raw
from serving.codecs.open_inference.contents import LargeContents
from serving.codecs.open_inference.datatypes import dtype_of
from serving.codecs.open_inference.infer import InferInput, InferRequest, WantedOutput, address
from serving.codecs.open_inference.parameters import Parameter
from serving.codecs.protobuf import pieces
from serving.core.model_spec import ModelSpec
from serving.core.tensor import Tensor
from serving.errors import ServingError, invalid_argument
from serving.protos import message

ModelInferRequest = message("inference.ModelInferRequest")
_Input = ModelInferRequest.InferInputTensor
_ModelReadyRequest = message("inference.ModelReadyRequest")

NAME, VERSION, ID, INPUT, RAW = 0x0A, 0x12, 0x1A, 0x2A, 0x3A
"""Tags of the request's fields; below, that of an input's contents."""
CONTENTS = 0x2A

_FEW_FIELDS = 64


class _Given(NamedTuple):
    """A message's inputs, each with what was read beside it, and raw contents; ``head`` has everything else."""

    head: Any
    inputs: Sequence[tuple[Any, LargeContents | None]]
    raws: Sequence[bytes | memoryview]


def read(payload: bytes) -> InferRequest:
    """The request of a serialised message; tensors are decoded when they are asked for.

    Raises protobuf's DecodeError if the bytes are none; ServingError, INVALID_ARGUMENT, for what the protocol forbids.
    """
    return of_message(ModelInferRequest.FromString(payload)) if len(payload) < pieces.LARGE else read_large(payload)


def of_message(made: Any) -> InferRequest:
    """The same of a message that was parsed."""
    return _request(_Given(made, [(each, None) for each in made.inputs], made.raw_input_contents))


def read_large(payload: bytes) -> InferRequest:
    """The same in pieces, between which other threads may run, and without a copy of what is long."""
    return _request(_in_pieces(payload))


def peek(payload: bytes) -> ModelSpec | None:
    """The model that a serialised request is for, None if that cannot be told; nothing else is read."""
    try:
        fields = list(islice(pieces.each(payload, 0, len(payload)), _FEW_FIELDS))
        if len(fields) == _FEW_FIELDS:  # more than there are in what clients send
            made = pieces.parse(_ModelReadyRequest, payload)  # has these two fields, and no other
            return address(made.name, made.version)
        found = {tag: payload[start:end].decode() for tag, start, end in fields if tag in (NAME, VERSION)}
        return address(found.get(NAME, ""), found.get(VERSION, ""))
    except (DecodeError, UnicodeDecodeError, ServingError):
        return None  # reading it says what is wrong


def id_field(payload: bytes) -> bytes:
    """The field of a serialised request's id, as it came; empty if there is none, or that cannot be told."""
    found, start = b"", 0
    try:
        for tag, _, end in islice(pieces.each(payload, 0, len(payload)), _FEW_FIELDS):
            found, start = (payload[start:end] if tag == ID else found), end
        ModelInferRequest.FromString(found)
    except DecodeError:
        return b""
    return found


def values(given: Any) -> Mapping[str, Parameter]:
    """The parameters of a map of InferParameter messages; those that are not set are left out."""
    found = {}
    for name, parameter in given.items():
        choice = parameter.WhichOneof("parameter_choice")
        if choice is not None:
            found[name] = getattr(parameter, choice)
    return found


def _in_pieces(payload: bytes) -> _Given:
    head, view = ModelInferRequest(), memoryview(payload)
    inputs: list[tuple[Any, LargeContents | None]] = []
    raws: list[bytes | memoryview] = []
    for tag, start, end in pieces.pieces(payload, 0, len(payload)):
        if tag == 0:
            piece = ModelInferRequest.FromString(payload[start:end])
            inputs += [(each, None) for each in piece.inputs]
            raws += piece.raw_input_contents
            head.MergeFrom(piece)
            del head.inputs[:], head.raw_input_contents[:]
        elif tag == RAW:
            raws.append(view[start:end])
        elif tag == INPUT:
            inputs.append(_large_input(payload, start, end))
        else:
            pieces.merge_field(head, payload, tag, start, end)
    return _Given(head, inputs, raws)


def _large_input(payload: bytes, start: int, stop: int) -> tuple[Any, LargeContents]:
    made, large = _Input(), LargeContents()
    for tag, first, end in pieces.pieces(payload, start, stop):
        if tag == CONTENTS:
            large.read(payload, first, end)
        elif tag:
            pieces.merge_field(made, payload, tag, first, end)
        else:
            made.MergeFromString(payload[first:end])
            large.add(made.contents)
            made.ClearField("contents")
    return made, large


def _request(given: _Given) -> InferRequest:
    head = given.head
    asked = parameters.of_request(values(head.parameters))
    if not head.model_name:
        raise invalid_argument("The request has no model_name; expected the name of a model")
    return InferRequest(
        _inputs(given.inputs, given.raws),
        tuple(map(_wanted, head.outputs)),
        head.id,
        address(head.model_name, head.model_version),
        signature_name=asked.signature_name,
        timeout_ms=asked.timeout_ms,
    )


def _inputs(
    inputs: Sequence[tuple[Any, LargeContents | None]], raws: Sequence[bytes | memoryview]
) -> dict[str, InferInput]:
    if raws and len(raws) != len(inputs):
        raise invalid_argument(
            f"The request has {len(inputs)} inputs and {len(raws)} raw_input_contents; expected one for each input, or "
            "typed contents in all of them"
        )
    made: dict[str, InferInput] = {}
    for index, (each, large) in enumerate(inputs):
        name, shape = each.name, tuple(each.shape)
        if name in made:
            raise invalid_argument(f'Input "{name}" is given twice')
        if each.parameters:
            parameters.check_memory("Input", name, values(each.parameters))
        if raws:
            made[name] = _of_raw(each, large, shape, raws[index])
        else:
            made[name] = _of_contents(each, large, shape)
    return made


def _of_raw(each: Any, large: LargeContents | None, shape: tuple[int, ...], data: bytes | memoryview) -> InferInput:
    if each.HasField("contents") or (large is not None and large.by_field()):
        raise invalid_argument(f'Input "{each.name}" has contents beside raw_input_contents; expected one of the two')
    dtype = dtype_of(each.datatype, each.name)
    return InferInput(each.name, dtype, shape, partial(raw.read, each.name, dtype, shape, data))


def _of_contents(each: Any, large: LargeContents | None, shape: tuple[int, ...]) -> InferInput:
    dtype = dtype_of(each.datatype, each.name)

    def decode() -> Tensor:
        given = contents.by_field(each.contents) if large is None else large.by_field()
        return contents.read(each.name, dtype, shape, given)

    return InferInput(each.name, dtype, shape, decode)


def _wanted(output: Any) -> WantedOutput:
    given = values(output.parameters) if output.parameters else {}
    parameters.check_memory("Output", output.name, given)
    return WantedOutput(output.name, classes=parameters.classes(given))
