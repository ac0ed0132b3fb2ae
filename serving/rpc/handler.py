"""What a gRPC method is to a transport, and the time limit of a call; not which methods there are."""

from collections.abc import Callable, Mapping
from math import ceil as _ceil
from typing import Any, Protocol

import grpc

from serving.errors import Code, ServingError
from serving.inference.accounts import Accounts
from serving.inference.call import Reply
from serving.inference.context import RequestContext
from serving.inference.long_call import client_gone
from serving.rpc.errors import Status

_CODES = {code.value[0]: code for code in grpc.StatusCode}

_NAMES = ("peer_dns", "peer_uri", "peer_email", "x509_common_name")
"""Where grpcio has the names of a client's certificate."""

Send = Callable[[bytes | None], None]
"""Sends one message of a stream; None ends it."""

Handler = Callable[[bytes, RequestContext], Reply]
"""Takes the serialised request and who sent it. Raises ServingError."""


class Streaming(Protocol):
    """A service whose methods are streams, such as health and reflection; it knows grpcio's contexts."""

    @property
    def streams(self) -> Mapping[str, grpc.RpcMethodHandler]:
        """Its methods by full path."""
        ...

    @property
    def busy(self) -> bool:
        """Whether something that came by a stream is still to be answered."""
        ...

    def drain(self) -> None:
        """The server ends: tell whoever has a stream open, and end the streams. May be called twice."""
        ...


def time_limit_ms(remaining_seconds: float | None) -> int:
    """The time limit of a call whose deadline is that far away, in milliseconds; 0 is none, without a deadline.

    Never 0 with one: a call that waited for a thread until its deadline must not become a call without a limit.
    """
    if remaining_seconds is None:
        return 0
    milliseconds = _ceil(remaining_seconds * 1000)
    return milliseconds if milliseconds > 0 else 1


def request_context(context: Any) -> RequestContext:
    """Who makes a call, as grpcio tells it."""
    metadata = [(name, value) for name, value in context.invocation_metadata() or ()]
    limit = time_limit_ms(context.time_remaining())
    return RequestContext("GRPC", context.peer(), metadata, limit, shown=lambda: _names(context))


def _names(context: Any) -> tuple[str, ...]:
    """Those in the certificate that the client has shown, the common one last; none without a certificate."""
    shown = context.auth_context()
    return tuple(name.decode(errors="backslashreplace") for kind in _NAMES for name in shown.get(kind, ()))


def tell(accounts: Accounts, context: Any, asked: RequestContext, size: int) -> None:
    """A call of grpcio's is over: end its record, and say what there is to say beside its answer."""
    code, error = context.code(), None
    if not context.is_active():
        error = client_gone()
    elif code is not None:
        error = ServingError(Code(code.value[0]), context.details() or "")
    said = accounts.end(asked, 0 if error is None else int(error.code), size, error)
    if said and context.is_active():
        context.set_trailing_metadata((*(context.trailing_metadata() or ()), *said))
        if error is None:
            context.send_initial_metadata(said)


def fail(context: Any, failed: Status) -> bytes:
    """End a call of grpcio's without an answer; what a behaviour returns then."""
    context.set_code(_CODES[failed.code])
    context.set_details(failed.details)
    if failed.metadata:
        context.set_trailing_metadata(failed.metadata)
    return b""
