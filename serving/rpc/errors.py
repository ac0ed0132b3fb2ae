"""Errors as gRPC statuses: the canonical codes unchanged, texts cut as TensorFlow Serving cuts them."""

from typing import NamedTuple

from serving.errors import Code, ServingError

_LONGEST = 1024
_MARK = "...TRUNCATED"


class Status(NamedTuple):
    """What goes into the trailers: the numeric code and its details."""

    code: int
    details: str


def status(error: ServingError) -> Status:
    """The status of an error; details beyond 1,024 bytes are cut and marked."""
    text = error.text
    data = text.encode()
    if len(data) > _LONGEST:
        text = data[:_LONGEST].decode("utf-8", "ignore") + _MARK
    return Status(int(error.code), text)


INTERNAL = Status(int(Code.INTERNAL), "Internal error; the server's log has the details")
"""For bugs: no stack traces, paths or class names go to clients."""

UNKNOWN_METHOD = Status(int(Code.UNIMPLEMENTED), "")
