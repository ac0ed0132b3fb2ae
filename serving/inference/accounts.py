"""Begins and ends the records of requests, and tells who wants to know: doors call it, no protocol knows of it.

Nothing is kept of a request unless somebody wants to be told.
"""

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence

from serving.errors import Code, ServingError
from serving.inference.context import REQUEST_ID, RequestContext
from serving.inference.record import RequestRecord, TraceHeaders

TRACE_PARENT = "traceparent"

Metadata = tuple[tuple[str, str], ...]
"""What an answer says beside its body, as headers or metadata: names in lower case and values."""

_ID = re.compile(r"[!-~]{1,128}")
_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_LONGEST = 128
REQUEST_ID_FIELD = "request_id"
"""The name of a request's id in lines of the log."""

_NO_TRACE = "0" * 32


Observer = Callable[[RequestRecord], None]
"""Is told of each request when its answer is about to leave; quick, for it is called in event threads."""

Say = Callable[[RequestRecord], Metadata]
"""What an answer says of its request."""


class Accounts:
    """``observers`` are told of each request, ``say`` adds to its answer; ``traces``: some of them trace requests."""

    def __init__(
        self,
        observers: Sequence[Observer],
        say: Sequence[Say],
        clock: Callable[[], float] = time.perf_counter,
        wall: Callable[[], float] = time.time,
        *,
        traces: bool = False,
    ) -> None:
        self._observers = observers
        self._say = say
        self._clock = clock
        self._wall = wall
        self._traces = traces

    def begin(self, context: RequestContext, method: str, size: int) -> None:
        """A request of ``size`` bytes has come."""
        record = context.record = RequestRecord(
            context.door,
            method,
            context.peer,
            context.protocol,
            request_id(context),
            self._wall(),
            self._clock(),
            size,
        )
        if self._traces:
            record.trace = _trace_headers(context.headers, record.request_id)

    def end(self, context: RequestContext, status: int, size: int, error: ServingError | None = None) -> Metadata:
        """Its answer of ``size`` bytes, with that ``status``, is about to leave; what is said beside it.

        ``error`` is how it has ended, unless the service has noted that already.
        """
        record, context.record = context.record, None
        if record is None:
            return ()
        if error is not None and record.code is Code.OK:
            record.failed(error)
        record.status, record.answer_bytes = status, size
        if context.principal is not None:
            record.principal = context.principal.name
        record.end(self._clock())
        for observer in self._observers:
            observer(record)
        return tuple([pair for say in self._say for pair in say(record)])


def request_id(context: RequestContext) -> str:
    """The client's or a proxy's ``x-request-id``, else the id of the trace that it belongs to, else a new one.

    One that is no visible ASCII, or is longer than 128 characters, is passed over: it goes into logs and headers.
    """
    given = context.headers.get(REQUEST_ID, "")
    if _ID.fullmatch(given):
        return given
    trace = _TRACE_PARENT.fullmatch(context.headers.get(TRACE_PARENT, ""))
    if trace is not None and trace[1] != _NO_TRACE:
        return trace[1]
    return os.urandom(16).hex()


def _trace_headers(headers: Mapping[str, str], made: str) -> TraceHeaders:
    parent = headers.get(TRACE_PARENT, "")
    given = parent or headers.get(REQUEST_ID, "")
    return TraceHeaders(parent, headers.get("tracestate", ""), headers.get("baggage", ""), "" if given else made)


def echoed(record: RequestRecord) -> Metadata:
    """The request's id, as every answer says it."""
    return ((REQUEST_ID, record.request_id),)


def timing(record: RequestRecord) -> Metadata:
    """Where the time went, in milliseconds, as the Server-Timing header has it."""
    stages = ("queue", record.queue_seconds), ("decode", record.decode_seconds), ("run", record.run_seconds)
    parts = [*stages, ("encode", record.encode_seconds), ("total", record.seconds)]
    return (("server-timing", ", ".join(f"{name};dur={seconds * 1000:.3f}" for name, seconds in parts)),)


def named(context: RequestContext | None) -> Mapping[str, str]:
    """What a line of the log says of the request that it is about, as its ``extra``."""
    if context is None:
        return {}
    given = context.request_id if context.record is None else context.record.request_id
    return {REQUEST_ID_FIELD: given[:_LONGEST]} if given else {}
