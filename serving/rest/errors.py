"""Errors as HTTP: the status of each code, and the shapes of an error's body (docs/compatibility.md, "REST errors")."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from serving.codecs.json import response as json_response
from serving.errors import Code, ServingError
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


def answer(error: ServingError) -> Answer:
    """An API error: ``{"error": …}`` and nothing else."""
    return Answer(STATUS[error.code], json_response.error(error.text), JSON)


def page(status: int) -> Answer:
    """An error outside the API: the little HTML page of TensorFlow Serving's HTTP library; closes the connection."""
    phrase = HTTPStatus(status).phrase
    body = (
        f"<HTML><HEAD>\n<TITLE>{status} {phrase}</TITLE>\n</HEAD><BODY>\n<H1>{phrase}</H1>\n</BODY></HTML>\n"
    ).encode()
    return Answer(status, body, HTML, close=True)


def too_large(limit: int) -> Answer:
    """The body is beyond --max_request_bytes; what remains of it is not read."""
    message = f"The request body is larger than {limit} bytes, the limit that --max_request_bytes sets"
    return Answer(413, json_response.error(message), JSON, close=True)
