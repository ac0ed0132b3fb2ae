"""What both clients have in common: the address, the options and the timeout of a connection, and its methods."""

from collections.abc import Sequence
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError

from serving.client.calls import Call
from serving.client.checks import checked_number, checked_text
from serving.client.errors import ServingError, serving_error

T = TypeVar("T")

Options = Sequence[tuple[str, Any]]
"""gRPC's channel options, such as ``("grpc.max_receive_message_length", 1000)``."""

CallMetadata = Sequence[tuple[str, str | bytes]]
"""Pairs that go with every call, such as ``("authorization", "Bearer ...")``."""

TIMEOUT_SECONDS = 60.0

_LONGEST_TIMEOUT_SECONDS = 100 * 365 * 86_400.0
"""gRPC counts nanoseconds since 1970 in 64 bits: what does not fit, infinity too, would be over at once."""

OPTIONS: Options = (
    # Tensors are large; gRPC itself would refuse answers over 4 MiB.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A connection that a firewall or a balancer forgot about is given up after 20 seconds, and not after the quarter of
    # an hour that TCP takes. Servers end connections that ping more often than every five minutes, so this asks later.
    ("grpc.keepalive_time_ms", 330_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
    # gRPC waits ever longer between its tries to connect, up to two minutes, and fails the calls of that time. A server
    # that is back after a long outage is to be found soon.
    ("grpc.max_reconnect_backoff_ms", 5_000),
)


def merged(options: Options) -> Options:
    """Our options and those of the caller, whose win."""
    given = {name for name, _ in options}
    return [*((name, value) for name, value in OPTIONS if name not in given), *options]


def checked_address(address: str) -> str:
    """The address, if gRPC can take it. ValueError for what looks like REST's, TypeError for what is no str."""
    checked_text("address", address)
    if "://" in address and address.partition("://")[0] in ("http", "https", "grpc", "grpcs"):
        raise ValueError(f"expected host:port, as in localhost:8500, got {address!r}")
    if not address:
        raise ValueError("expected host:port, as in localhost:8500, got an empty address")
    return address


def checked_timeout(timeout_seconds: float | None) -> float | None:
    """The timeout, None for none, which a century is as well. ValueError if not over 0, TypeError if no number."""
    if timeout_seconds is None:
        return None
    if not checked_number("timeout_seconds", timeout_seconds) > 0:
        raise ValueError(f"expected timeout_seconds over 0, or None, got {timeout_seconds!r}")
    return timeout_seconds if timeout_seconds < _LONGEST_TIMEOUT_SECONDS else None


class Connection:
    """The settings of a client and, once there is a channel, its methods. It opens no channel itself."""

    def __init__(
        self,
        address: str,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        options: Options = (),
        metadata: CallMetadata = (),
        timeout_seconds: float | None = TIMEOUT_SECONDS,
    ) -> None:
        self.address = checked_address(address)
        self._credentials = credentials
        self._options = merged(options)
        self._metadata = tuple(metadata)
        self._timeout_seconds = checked_timeout(timeout_seconds)
        self._methods: dict[str, Any] = {}
        self._closed = False

    def _check_open(self) -> None:
        """ValueError if the client was closed."""
        if self._closed:
            raise ValueError(f"the client of {self.address} was closed; make another one")

    def _method(self, channel: Any, path: str) -> Any:
        """The method of a path; made once, which takes longer than to make a small request."""
        method = self._methods.get(path)
        if method is None:
            method = self._methods[path] = channel.unary_unary(path)
        return method

    def _timeout(self, timeout_seconds: float | None) -> float | None:
        return self._timeout_seconds if timeout_seconds is None else checked_timeout(timeout_seconds)

    def _read(self, call: Call[T], data: bytes) -> T:
        """What the answer says. ServingError if it is no answer to this call, and what ``call.read`` raises."""
        try:
            return call.read(data)
        except DecodeError as error:
            message = f"the answer of {self.address} could not be read: {error}"
            raise ServingError(grpc.StatusCode.INTERNAL, message, call.asked) from None

    def _error(self, error: grpc.RpcError, call: Call[Any], timeout_seconds: float | None) -> ServingError:
        return serving_error(error, asked=call.asked, address=self.address, timeout_seconds=timeout_seconds)
