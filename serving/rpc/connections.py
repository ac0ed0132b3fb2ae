"""How long gRPC connections last, and how each side sees that the other is there: flags and channel arguments of both.

The same words for both transports: ``arguments`` are grpcio's, and ``limits`` what the native front does without it.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from serving.settings import Settings

_INTEGER = re.compile(r"[+-]?[0-9]{1,10}")
_NEVER = 2**31 - 1
"""What gRPC takes for no limit at all, in milliseconds."""
_TIMEOUT_MS = 20_000
"""What gRPC says that it waits for the answer to a ping."""

_AGE, _GRACE, _IDLE = "grpc.max_connection_age_ms", "grpc.max_connection_age_grace_ms", "grpc.max_connection_idle_ms"
_PING, _PONG = "grpc.keepalive_time_ms", "grpc.keepalive_timeout_ms"
_WITHOUT_CALLS = "grpc.keepalive_permit_without_calls"
_MIN_PING = "grpc.http2.min_ping_interval_without_data_ms"
_PING_TIMEOUT = "grpc.http2.ping_timeout_ms"
_NATIVE = frozenset((_AGE, _GRACE, _IDLE, _PING, _PONG, _WITHOUT_CALLS))
"""Arguments that mean the same with the native front."""


class ConnectionLimits(NamedTuple):
    """What a connection is granted, in milliseconds. Without an age it lasts as long as its client wants.

    ``grace_ms`` is what calls have left when their connection is old, None for no end. ``idle_ms`` is for how long
    nothing may go either way before a connection that has no call is given up, 0 for ever. ``keepalive_time_ms`` is for
    how long nothing may come before the server pings, ``keepalive_timeout_ms`` how long it waits for the answer, and
    0 either way is the transport's own time; ``keepalive_without_calls`` also pings connections that have no call.
    """

    age_ms: int = 0
    grace_ms: int | None = None
    idle_ms: int = 0
    keepalive_time_ms: int = 0
    keepalive_timeout_ms: int = 0
    keepalive_without_calls: bool = False

    def keepalive(self) -> dict[str, Any]:
        """The native front's own arguments for pings; none for what has its default there."""
        given: dict[str, Any] = {}
        if self.keepalive_time_ms:
            given["keepalive_time_ms"] = self.keepalive_time_ms
            given["keepalive_permit_without_calls"] = self.keepalive_without_calls
        if self.keepalive_timeout_ms:
            given["keepalive_timeout_ms"] = self.keepalive_timeout_ms
        return given


NO_LIMITS = ConnectionLimits()


def channel_arguments(text: str) -> dict[str, str | int]:
    """``key=value,…`` as gRPC takes it: 32-bit integers as such, everything else as text."""
    arguments: dict[str, str | int] = {}
    for entry in filter(None, text.split(",")):
        key, _, value = entry.partition("=")
        number = int(value) if _INTEGER.fullmatch(value) else None
        arguments[key] = number if number is not None and -(2**31) <= number < 2**31 else value
    return arguments


def arguments(settings: Settings) -> dict[str, str | int]:
    """The channel arguments of flags, and those of --grpc_channel_arguments, which win."""
    made: dict[str, str | int] = {}
    if settings.grpc_max_concurrent_streams > 0:
        made["grpc.max_concurrent_streams"] = settings.grpc_max_concurrent_streams
    if settings.grpc_max_connection_age_seconds > 0:
        made[_AGE] = _milliseconds(settings.grpc_max_connection_age_seconds)
    if settings.grpc_max_connection_age_grace_seconds > 0:
        made[_GRACE] = _milliseconds(settings.grpc_max_connection_age_grace_seconds)
    made |= _keepalive(settings)
    if settings.grpc_min_recv_ping_interval_ms > 0:
        made[_MIN_PING] = settings.grpc_min_recv_ping_interval_ms
    return made | channel_arguments(settings.grpc_channel_arguments)


def _keepalive(settings: Settings) -> dict[str, str | int]:
    """Those of pings. gRPC waits a minute for the answer to each, unless the second argument says the same."""
    made: dict[str, str | int] = {}
    if settings.grpc_keepalive_time_ms > 0:
        made[_PING] = settings.grpc_keepalive_time_ms
    if settings.grpc_keepalive_time_ms > 0 or settings.grpc_keepalive_timeout_ms > 0:
        timeout = settings.grpc_keepalive_timeout_ms if settings.grpc_keepalive_timeout_ms > 0 else _TIMEOUT_MS
        made |= {_PONG: timeout, _PING_TIMEOUT: timeout}
    if settings.grpc_keepalive_permit_without_calls:
        made[_WITHOUT_CALLS] = 1
    return made


def beyond_native(settings: Settings) -> list[str]:
    """The flags of these that the native front has no means for, with the arguments that are the reason."""
    given = channel_arguments(settings.grpc_channel_arguments)
    found = []
    if others := [key for key, value in given.items() if key not in _NATIVE or not _is_time(key, value)]:
        found.append(f"grpc_channel_arguments ({', '.join(others)})")
    elif _IDLE in given and not _sees_idleness(settings):
        found.append(f"grpc_channel_arguments ({_IDLE})")
    if settings.grpc_min_recv_ping_interval_ms > 0:
        found.append("grpc_min_recv_ping_interval_ms")
    return found


def _sees_idleness(settings: Settings) -> bool:
    """Whether bytes tell it: UNIX sockets count none, and pings of the server's own are some."""
    wanted = limits(settings)
    pings = wanted.keepalive_without_calls and 0 < wanted.keepalive_time_ms <= wanted.idle_ms
    return not settings.grpc_socket_path and not pings


def limits(settings: Settings) -> ConnectionLimits:
    """What the native front is to do, if nothing is ``beyond_native``."""
    given = arguments(settings)
    grace = given.get(_GRACE)
    return ConnectionLimits(
        age_ms=_bounded(given, _AGE),
        idle_ms=_bounded(given, _IDLE),
        grace_ms=grace if isinstance(grace, int) and grace < _NEVER else None,
        keepalive_time_ms=_number(given, _PING),
        keepalive_timeout_ms=_number(given, _PONG),
        keepalive_without_calls=bool(_number(given, _WITHOUT_CALLS)),
    )


def _number(given: Mapping[str, str | int], key: str) -> int:
    value = given.get(key, 0)
    return value if isinstance(value, int) else 0


def _bounded(given: Mapping[str, str | int], key: str) -> int:
    """A time, 0 for what gRPC takes for none."""
    value = _number(given, key)
    return value if value < _NEVER else 0


def _is_time(key: str, value: str | int) -> bool:
    """Whether gRPC would take it as it is. No grace at all, and no pings without calls, are 0."""
    return isinstance(value, int) and value >= (0 if key in (_GRACE, _WITHOUT_CALLS) else 1)


def _milliseconds(seconds: float) -> int:
    return min(max(round(seconds * 1000), 1), _NEVER)
