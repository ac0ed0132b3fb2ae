"""When a refused call is sent again: if no server has begun it, or if the server says when it wants it again.

What a connection's end (GOAWAY) leaves out gRPC itself sends again. Any other call may have run, and is repeated only
by a client with ``retry_lost``, which is gRPC's business as well (``addresses.lost_again``).
"""

import random
import re
import time

import grpc

RETRIES = 3
"""How often at most one call is sent again."""

LONGEST_PAUSE_SECONDS = 30.0
"""A server that asks for a longer pause is not waited for."""

_SPREAD = 1.2
"""Pauses are up to so many times longer than was asked for: those who were refused together come apart."""

_REFUSED = re.compile(r"RST_STREAM with error code 7\b")
"""What gRPC says of REFUSED_STREAM, by which HTTP/2 promises that nothing was done (RFC 9113, 8.7)."""

_REFUSED_PAUSE_SECONDS = 0.02

_PUSHBACK, _RETRY_AFTER = "grpc-retry-pushback-ms", "retry-after"


def asked_pause(error: grpc.RpcError) -> float | None:
    """The seconds after which the server wants a refused call again; None if it does not say, or forbids it."""
    if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
        return None
    said = {name: value for name, value in error.trailing_metadata() or () if isinstance(value, str)}
    if _PUSHBACK in said:
        milliseconds = _whole(said[_PUSHBACK])
        return None if milliseconds is None else milliseconds / 1000
    seconds = _whole(said.get(_RETRY_AFTER, ""))
    return None if seconds is None else float(seconds)


def _is_refused(error: grpc.RpcError) -> bool:
    return error.code() is grpc.StatusCode.UNAVAILABLE and _REFUSED.search(error.details() or "") is not None


def _whole(text: str) -> int | None:
    """The number of a text of digits; of a negative number, with which servers forbid it, None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


class Attempts:
    """The attempts at one call: what is left of its time and of its retries."""

    def __init__(self, timeout_seconds: float | None, retries: int) -> None:
        self._until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        self._timeout_seconds = timeout_seconds
        self._left = retries
        self._first = True

    def seconds(self) -> float | None:
        """What the next attempt may take; None for no limit."""
        if self._first or self._until is None:
            self._first = False
            return self._timeout_seconds
        return max(self._until - time.monotonic(), 0.0)

    def pause(self, error: grpc.RpcError) -> float | None:
        """The seconds to wait before the next attempt; None if the error is the call's outcome."""
        asked = _REFUSED_PAUSE_SECONDS if _is_refused(error) else asked_pause(error)
        if asked is None or not self._left or asked > LONGEST_PAUSE_SECONDS:
            return None
        seconds = asked * random.uniform(1, _SPREAD)  # noqa: S311 - no secret
        if self._until is not None and time.monotonic() + seconds >= self._until:
            return None
        self._left -= 1
        return seconds
