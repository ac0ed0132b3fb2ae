"""Errors as gRPC statuses: the canonical codes unchanged, texts cut as TensorFlow Serving cuts them."""

from math import ceil
from typing import NamedTuple

from serving.errors import Code, LimitError, ServingError, cut
from serving.inference.accounts import Metadata

PUSHBACK = "grpc-retry-pushback-ms"
"""The native front sends no metadata whose names begin so."""


class Status(NamedTuple):
    """What goes into the trailers: the numeric code and its details."""

    code: int
    details: str
    metadata: Metadata = ()


def status(error: ServingError) -> Status:
    """The status of an error."""
    return Status(int(error.code), cut(error.text), _pushback(error) if isinstance(error, LimitError) else ())


def _pushback(error: LimitError) -> Metadata:
    """When to come again: for clients that retry by themselves, and as over REST."""
    return ((PUSHBACK, str(max(int(error.retry_seconds * 1000), 1))), ("retry-after", str(ceil(error.retry_seconds))))


INTERNAL = Status(int(Code.INTERNAL), "Internal error; the server's log has the details")
"""For bugs: no stack traces, paths or class names go to clients."""

UNKNOWN_METHOD = Status(int(Code.UNIMPLEMENTED), "")


def unasked(size: int, limit: int) -> ServingError:
    """Why no handler is asked, as with grpcio: a request has more than ``limit`` bytes, or else its time is over."""
    if size > limit:
        return ServingError(
            Code.RESOURCE_EXHAUSTED,
            f"Received message larger than max ({size} vs. {limit}); --max_request_bytes sets the limit",
        )
    return ServingError(Code.DEADLINE_EXCEEDED, "Deadline Exceeded")
