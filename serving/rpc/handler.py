"""What a gRPC method is to a transport, and the time limit of a call; not which methods there are."""

import math
from collections.abc import Callable
from typing import Any

import grpc

from serving.inference.call import Reply
from serving.inference.context import RequestContext
from serving.rpc.errors import Status

_CODES = {code.value[0]: code for code in grpc.StatusCode}

Handler = Callable[[bytes, RequestContext], Reply]
"""Takes the serialised request and who sent it. Raises ServingError."""


def time_limit_ms(remaining_seconds: float | None) -> int:
    """The time limit of a call whose deadline is that far away, in milliseconds; 0 is none, without a deadline.

    Never 0 with one: a call that waited for a thread until its deadline must not become a call without a limit.
    """
    return 0 if remaining_seconds is None else max(1, math.ceil(remaining_seconds * 1000))


def request_context(context: Any) -> RequestContext:
    """Who makes a call, as grpcio tells it."""
    metadata = [(name, value) for name, value in context.invocation_metadata() or ()]
    return RequestContext("GRPC", context.peer(), metadata, time_limit_ms(context.time_remaining()))


def fail(context: Any, failed: Status) -> bytes:
    """End a call of grpcio's without an answer; what a behaviour returns then."""
    context.set_code(_CODES[failed.code])
    context.set_details(failed.details)
    return b""
