"""PredictionLog records, put together from messages that are serialised already; and the messages of REST requests.

A record is what warm-up replays (docs/models.md, "Request logging").
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum

from google.protobuf.message import DecodeError

from serving.codecs.protobuf import tensor_proto
from serving.codecs.protobuf.wire import field
from serving.core.model_spec import ModelSpec
from serving.core.tensor import DataType, Tensor
from serving.protos import ModelSpec as ModelSpecMessage
from serving.protos import PredictionLog


class LogType(IntEnum):
    """The kinds of logs that are written, by their field in PredictionLog."""

    CLASSIFY = 2
    REGRESS = 3
    MULTI_INFERENCE = 4
    PREDICT = 6


_METADATA = b"\x0a"  # field 1 of PredictionLog
_REQUEST, _RESPONSE = b"\x0a", b"\x12"  # fields 1 and 2 of every kind of log
_MODEL_SPEC, _INPUTS, _INPUT = b"\x0a", b"\x12", b"\x12"  # fields 1 and 2 of the request messages
_KEY, _VALUE = b"\x0a", b"\x12"  # fields of a map's entry
_EXAMPLE_LIST, _EXAMPLE = b"\x0a", b"\x0a"  # field 1 of Input, and of ExampleList


def encode(kind: LogType, metadata: bytes, request: bytes, response: bytes) -> bytes | None:
    """The record of a serialised LogMetadata, request and response; None if it could not be read again.

    Labels and features may be bytes that protobuf refuses as text. A response that has some is left out.
    """
    head = field(_METADATA, metadata) + bytes((kind << 3 | 2,))
    for log in (field(_REQUEST, request) + field(_RESPONSE, response), field(_REQUEST, request)):
        record = field(head, log)
        if _readable(record):
            return record
    return None


def _readable(record: bytes) -> bool:
    try:
        PredictionLog.FromString(record)
    except DecodeError:
        return False
    return True


def addressed(spec: ModelSpec) -> bytes:
    """What makes a request message one for ``spec``, put behind it: of a field that comes twice the last counts."""
    return field(_MODEL_SPEC, model_spec(spec))


def predict_request(spec: ModelSpec, inputs: Mapping[str, Tensor]) -> bytes:
    """The serialised PredictRequest."""
    parts = [field(_MODEL_SPEC, model_spec(spec))]
    for alias, tensor in inputs.items():
        # Strings in their typed field, for many readers take tensor_content to be numbers.
        value = tensor_proto.encode(tensor, as_content=tensor.dtype is not DataType.STRING)
        parts.append(field(_INPUTS, field(_KEY, alias.encode()) + field(_VALUE, value)))
    return b"".join(parts)


def examples_request(spec: ModelSpec, examples: Sequence[bytes]) -> bytes:
    """The serialised ClassificationRequest or RegressionRequest (they are alike) of serialised Examples."""
    listed = b"".join([field(_EXAMPLE, example) for example in examples])
    return field(_MODEL_SPEC, model_spec(spec)) + field(_INPUT, field(_EXAMPLE_LIST, listed))


def model_spec(spec: ModelSpec) -> bytes:
    """The serialised ModelSpec of a request."""
    message = ModelSpecMessage(name=spec.name, signature_name=spec.signature_name)
    if spec.version is not None:
        message.version.value = spec.version
    elif spec.label is not None:
        message.version_label = spec.label
    return bytes(message.SerializeToString())
