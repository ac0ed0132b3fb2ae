"""Infer over REST: the form of its requests and answers (docs/dialects.md, "Open Inference Protocol")."""

from functools import lru_cache, partial

from serving.codecs.open_inference import json_request, json_response
from serving.codecs.open_inference.infer import InferRequest
from serving.codecs.protobuf.prediction_log import LogType
from serving.core.plans import Encode, Plan, Plans
from serving.core.servable import ServableId
from serving.core.signature import Signature
from serving.core.tensor import Tensor
from serving.errors import invalid_argument
from serving.inference import infer
from serving.inference.operations import InferForm
from serving.inference.placement import check_inline
from serving.rest.answer import JSON, Answer
from serving.rest.encoding import decompressed

HEADER_LENGTH = "inference-header-content-length"
_OCTETS = b"application/octet-stream"
_MOST_DIGITS = 18


@lru_cache(1024)
def form(header_length: str | None, encoding: str) -> InferForm:
    """How requests with these two headers are read, and answers written.

    Raises ServingError, INVALID_ARGUMENT, for an Inference-Header-Content-Length that is no number of bytes.
    """
    read = partial(_read, _size(header_length))
    if encoding and encoding.lower() != "identity":
        read = partial(decompressed, encoding, read)
    return InferForm(api="infer", log_type=LogType.PREDICT, read=read, missing=infer.missing, bind=_bind)


def answer(body: bytes) -> Answer:
    """The answer with this body; that which is not all JSON says how much of it is."""
    length = json_response.json_length(body)
    if length is None:
        return Answer(200, body, JSON)
    return Answer(200, body, _OCTETS, extra=b"Inference-Header-Content-Length: %d\r\n" % length)


def _size(header_length: str | None) -> int | None:
    if header_length is None:
        return None
    digits = header_length.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS):
        raise invalid_argument(
            f'The header Inference-Header-Content-Length is "{header_length[:64]}"; expected the size in bytes of the '
            "JSON at the beginning of the body"
        )
    return int(digits)


_in_event_thread, _elsewhere = partial(check_inline, limited=True), partial(check_inline, limited=False)


def _read(size: int | None, payload: bytes, limited: bool) -> InferRequest:
    return json_request.read(payload, size, _in_event_thread if limited else _elsewhere)


def _bind(
    request: InferRequest, plans: Plans, signature: Signature, servable_id: ServableId
) -> tuple[Plan, list[Tensor], Encode]:
    plan, tensors = infer.bind(request, plans, signature)
    return plan, tensors, partial(json_response.write, request, servable_id)
