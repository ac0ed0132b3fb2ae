"""PredictRequests of many bytes, read in pieces: what they say is what their message class would make of them."""

from typing import Any

from serving.codecs.protobuf import pieces, tensor_fields
from serving.codecs.protobuf.tensor_fields import LongFields
from serving.protos import PredictRequest

_INPUT = 0x12


class LargeRequest:
    """``spec`` is None if it is absent; each input comes with what was read beside its message.

    Raises DecodeError when it is made.
    """

    def __init__(self, payload: bytes) -> None:
        self.spec: Any | None = None
        self.inputs: dict[str, tuple[Any, LongFields | None]] = {}
        self.output_filter: list[str] = []
        for tag, start, end in pieces.pieces(payload, 0, len(payload)):
            if tag == _INPUT:
                alias, places, kept = pieces.entry(payload, start, end)
                tensor = tensor_fields.read(payload, places)
                if kept:
                    self.inputs[alias] = tensor
            else:
                self._add(payload, tag, start, end)

    def _add(self, payload: bytes, tag: int, start: int, end: int) -> None:
        message = _merged(PredictRequest(), payload, tag, start, end)
        if message.HasField("model_spec"):
            if self.spec is not None:  # an empty name that follows is one: once more, into what there was
                message = PredictRequest()
                message.model_spec.CopyFrom(self.spec)
                _merged(message, payload, tag, start, end)
            self.spec = message.model_spec
        self.inputs.update((alias, (message.inputs[alias], None)) for alias in message.inputs)
        self.output_filter += message.output_filter


def _merged(message: Any, payload: bytes, tag: int, start: int, end: int) -> Any:
    if tag == 0:
        message.MergeFromString(payload[start:end])
    else:
        pieces.merge_field(message, payload, tag, start, end)
    return message
