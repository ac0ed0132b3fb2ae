"""What both clients have in common: the address, the options and the timeout of a connection, and its methods."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, Protocol, TypeVar

import grpc
from google.protobuf.message import DecodeError

from serving.client import calls, v2
from serving.client.addresses import ROUND_ROBIN, checked_addresses, lost_again
from serving.client.calls import Call, Choice
from serving.client.checks import checked_int, checked_number, shown
from serving.client.errors import ServingError, serving_error
from serving.client.retrying import RETRIES, asked_pause
from serving.client.signatures import mismatch
from serving.client.values import Metadata, Prediction, VersionStatus

T = TypeVar("T")

Options = Sequence[tuple[str, Any]]
"""gRPC's channel options, such as ``("grpc.max_receive_message_length", 1000)``."""

CallMetadata = Sequence[tuple[str, str | bytes]]
"""Pairs that go with every call, such as ``("authorization", "Bearer ...")``."""

ProtocolName = Literal["tfs", "v2"]
"""TensorFlow Serving's gRPC API, or the Open Inference Protocol."""

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
    ("grpc.service_config", ROUND_ROBIN),
    # What a server has refused without having begun it gRPC sends again, if it still has it: by itself it keeps no more
    # than 256 KiB, which is less than a picture. It is the caller's memory until the call is over, and no copy.
    ("grpc.per_rpc_retry_buffer_size", 2**31 - 1),
)


def merged(options: Options) -> list[tuple[str, Any]]:
    """Our options and those of the caller, whose win."""
    given = {name for name, _ in options}
    return [*((name, value) for name, value in OPTIONS if name not in given), *options]


def checked_timeout(timeout_seconds: float | None) -> float | None:
    """The timeout, None for none, which a century is as well. ValueError if not over 0, TypeError if no number."""
    if timeout_seconds is None:
        return None
    if not checked_number("timeout_seconds", timeout_seconds) > 0:
        raise ValueError(f"expected timeout_seconds over 0, or None, got {timeout_seconds!r}")
    return timeout_seconds if timeout_seconds < _LONGEST_TIMEOUT_SECONDS else None


class Wire(Protocol):
    """The calls that both protocols have, as the modules ``calls`` and ``v2`` make them."""

    def predict(self, choice: Choice, inputs: Mapping[str, Any], output_filter: Sequence[str]) -> Call[Prediction]:
        """A prediction for arrays by their names."""

    def metadata(self, choice: Choice) -> Call[Metadata]:
        """The signatures of a version."""

    def status(self, choice: Choice) -> Call[list[VersionStatus]]:
        """The states of versions."""

    def ready(self, choice: Choice) -> Call[bool]:
        """Whether one of the versions would answer."""


_WIRES: Mapping[str, Wire] = MappingProxyType({"tfs": calls, "v2": v2})


class Connection:
    """The settings of a client and, once there is a channel, its methods. It opens no channel itself."""

    def __init__(
        self,
        address: str | Sequence[str],
        *,
        credentials: grpc.ChannelCredentials | None = None,
        options: Options = (),
        metadata: CallMetadata = (),
        timeout_seconds: float | None = TIMEOUT_SECONDS,
        protocol: ProtocolName = "tfs",
        check_inputs: bool | None = None,
        retries: int = RETRIES,
        retry_lost: bool = False,
    ) -> None:
        self._addresses = checked_addresses(address)
        self.address = ",".join(self._addresses)
        self._credentials = credentials
        self._retries = checked_int("number of retries", retries, range(2**31))
        self._options = merged(options)
        if retry_lost and "grpc.service_config" not in dict(options):
            self._options = merged([*options, ("grpc.service_config", lost_again(self._retries))])
        if "," in self.address and "grpc.default_authority" not in dict(options):
            # A target of several has no name of its own: servers, and their certificates, have the first one's.
            first = self.address.partition(",")[0]
            self._options.append(("grpc.default_authority", first.removeprefix("ipv4:").removeprefix("ipv6:")))
        self._metadata = tuple(metadata)
        self._timeout_seconds = checked_timeout(timeout_seconds)
        if protocol not in _WIRES:
            raise ValueError(f"expected the protocol 'tfs' or 'v2', got {shown(protocol)}")
        self.protocol = protocol
        self._wire = _WIRES[protocol]
        self._check_inputs = check_inputs
        self._known: dict[tuple[str, int | None, str | None], Metadata] = {}
        self._methods: dict[str, Any] = {}
        self._closed = False

    def _check_open(self) -> None:
        """ValueError if the client was closed."""
        if self._closed:
            raise ValueError(f"the client of {self.address} was closed; make another one")

    def _check_protocol(self, method: str) -> None:
        """ValueError if the client does not speak TensorFlow Serving's API, which alone has the method."""
        if self.protocol != "tfs":
            raise ValueError(f"{method} is of TensorFlow Serving's API: make a client with protocol='tfs' for it")

    def _checks(self, choice: Choice, inputs: Any) -> bool:
        """Whether inputs are to be checked: if that was asked for, or if the signature is known already."""
        if not isinstance(inputs, Mapping):
            return False
        if self._check_inputs is None:
            return _key(choice) in self._known
        return self._check_inputs

    def _fits_known(self, choice: Choice, arrays: Mapping[str, Any]) -> bool:
        known = self._known.get(_key(choice))
        return known is not None and not self._mismatch(known, choice, arrays)

    def _mismatch(self, metadata: Metadata, choice: Choice, arrays: Mapping[str, Any]) -> str:
        return mismatch(metadata, choice, arrays, vectors_are_any=self.protocol == "v2")

    def _learn(self, choice: Choice, metadata: Metadata) -> Metadata:
        """Keep what a version says of itself."""
        self._known[_key(choice)] = metadata
        return metadata

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
        made = serving_error(
            error,
            asked=call.asked,
            address=self.address,
            timeout_seconds=timeout_seconds,
            api="the Open Inference Protocol (v2)" if call.path.startswith(v2.SERVICE) else "TensorFlow Serving's API",
        )
        made.retry_seconds = asked_pause(error)
        return made

    def _unknown(self, error: OSError, call: Call[Any]) -> ServingError:
        """The error of a call for which no address could be looked up."""
        message = f"DNS resolution failed for {self.address}: {error}"
        hint = f"No server answers at {self.address}; are the names right, and does this machine know them?"
        return ServingError(grpc.StatusCode.UNAVAILABLE, message, call.asked, hint)


def _key(choice: Choice) -> tuple[str, int | None, str | None]:
    return choice.model, choice.version, choice.label
