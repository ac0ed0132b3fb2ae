"""Errors as HTTP: the status of each code, and the shapes of an error's body (docs/rest.md, "REST errors")."""

from collections.abc import Mapping
from http import HTTPStatus
from math import ceil
from types import MappingProxyType

from serving.codecs.json import response as json_response
from serving.errors import Code, LimitError, ServingError
from serving.rest.answer import HTML, JSON, Answer

STATUS: Mapping[Code, int] = MappingProxyType(
    {
        Code.OK: 200,
        Code.CANCELLED: 499,
        Code.UNKNOWN: 500,
        Code.INVALID_ARGUMENT: 400,
        Code.DEADLINE_EXCEEDED: 504,
        Code.NOT_FOUND: 404,
        Code.ALREADY_EXISTS: 409,
        Code.PERMISSION_DENIED: 403,
        Code.RESOURCE_EXHAUSTED: 429,
        Code.FAILED_PRECONDITION: 400,
        Code.ABORTED: 409,
        Code.OUT_OF_RANGE: 400,
        Code.UNIMPLEMENTED: 501,
        Code.INTERNAL: 500,
        Code.UNAVAILABLE: 503,
        Code.DATA_LOSS: 500,
        Code.UNAUTHENTICATED: 401,
    }
)

_CODES: Mapping[int, Code] = MappingProxyType(
    {status: code for code, status in reversed([*STATUS.items()])}
    | {408: Code.DEADLINE_EXCEEDED, 413: Code.RESOURCE_EXHAUSTED, 500: Code.INTERNAL}
)

_CHALLENGE = b"WWW-Authenticate: Bearer\r\n"
"""What HTTP wants beside 401: how a client can say who it is."""


def answer(error: ServingError) -> Answer:
    """An API error: ``{"error": …}`` and nothing else; that of a limit says when to come again."""
    extra = b""
    if error.code is Code.UNAUTHENTICATED:
        extra = _CHALLENGE
    elif isinstance(error, LimitError):
        extra = b"Retry-After: %d\r\n" % ceil(error.retry_seconds)
    return Answer(STATUS[error.code], json_response.error(error.text), JSON, extra=extra)


def of_status(status: int) -> ServingError | None:
    """What a status stands for where nothing else says it; None for success."""
    return None if status < HTTPStatus.BAD_REQUEST else ServingError(_CODES.get(status, Code.UNKNOWN), "")


def page(status: int) -> Answer:
    """An error outside the API: the little HTML page of TensorFlow Serving's HTTP library; closes the connection."""
    phrase = HTTPStatus(status).phrase
    body = (
        f"<HTML><HEAD>\n<TITLE>{status} {phrase}</TITLE>\n</HEAD><BODY>\n<H1>{phrase}</H1>\n</BODY></HTML>\n"
    ).encode()
    return Answer(status, body, HTML, close=True)


def too_large(limit: int) -> ServingError:
    """The body is beyond --max_request_bytes."""
    message = f"The request body is larger than {limit} bytes, the limit that --max_request_bytes sets"
    return ServingError(Code.RESOURCE_EXHAUSTED, message)
