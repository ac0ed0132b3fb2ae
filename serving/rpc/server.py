"""What carries the gRPC API: one interface, two transports, and the choice between them."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from serving.errors import invalid_configuration
from serving.host.allocator import return_free_pages
from serving.inference.context import Admit
from serving.inference.unsent import UnsentBytes
from serving.rpc.addresses import addresses
from serving.rpc.api.health import CHECK, Health
from serving.rpc.api.reflection import Reflection
from serving.rpc.credentials import server_credentials
from serving.rpc.handler import Handler
from serving.rpc.transports.grpcio import LARGEST_MESSAGE, GrpcioTransport, Streaming
from serving.settings import Settings
from serving.telemetry.log import logger
from serving.tls import Credentials

if TYPE_CHECKING:
    from serving.rpc.transports.fronted import FrontedTransport

_INTEGER = re.compile(r"[+-]?[0-9]{1,10}")

_GRPCIO_ONLY = ("ssl_config_file", "use_alts_credentials", "grpc_channel_arguments")
"""Flags that the native transport has no means for."""


class Transport(Protocol):
    """A listening gRPC server; its constructor binds the port."""

    @property
    def port(self) -> int:
        """The bound TCP port, 0 if there is none."""
        ...

    def start(self) -> None:
        """Answer calls."""
        ...

    def drain(self, delay_seconds: float, grace_seconds: float) -> None:
        """Let running calls finish, for ``grace_seconds`` at most, then close. Blocks."""
        ...


def open_transport(
    settings: Settings,
    handlers: Mapping[str, Handler],
    admit: Admit,
    tls: Credentials | None = None,
    unsent: UnsentBytes | None = None,
) -> Transport:
    """The transport that --grpc_transport names, or grpcio if that one cannot do what other flags ask for.

    Bound to --port and --grpc_socket_path. ``unsent`` is the count that it shares with other doors. Raises
    ConfigurationError.
    """
    unsent = unsent or UnsentBytes(settings.max_unsent_bytes, return_free_pages)
    health = Health(admit) if settings.enable_grpc_healthcheck_service else None
    aside: dict[str, Handler] = {CHECK: health.check} if health else {}
    names = {path.split("/")[1] for path in (*handlers, *aside)}
    services: list[Streaming] = [Reflection(names, admit), *([health] if health else [])]
    max_threads = max(settings.grpc_max_threads, 1)
    credentials = server_credentials(tls, alts=settings.use_alts_credentials)
    if (fronted := _fronted_transport(settings)) is not None:
        return fronted(
            handlers,
            addresses(settings),
            max_threads=max_threads,
            max_request_bytes=settings.max_request_bytes,
            aside=aside,
            services=services,
            unsent=unsent,
        )
    return GrpcioTransport(
        {**handlers, **aside},
        addresses(settings),
        max_threads=max_threads,
        max_request_bytes=settings.max_request_bytes,
        arguments=channel_arguments(settings.grpc_channel_arguments),
        services=services,
        credentials=credentials,
        unsent=unsent,
    )


def _fronted_transport(settings: Settings) -> "type[FrontedTransport] | None":
    """The native transport, None if it is not wanted or cannot do what other flags ask for."""
    if settings.grpc_transport not in ("grpcio", "native"):
        raise invalid_configuration(f"--grpc_transport is {settings.grpc_transport!r}; expected grpcio or native")
    if settings.grpc_transport == "grpcio":
        return None
    beyond = [name for name in _GRPCIO_ONLY if getattr(settings, name)]
    if settings.max_request_bytes < LARGEST_MESSAGE:
        beyond.append("max_request_bytes")  # the front looks at the size of a message once it has all of it in memory
    if beyond:
        logger.info(
            "--grpc_transport=native cannot do --%s; grpcio carries the gRPC API instead", " and --".join(beyond)
        )
        return None
    try:
        from serving.rpc.transports.fronted import FrontedTransport  # only here: grpcio needs no second HTTP/2 library
    except ImportError as error:
        logger.info("--grpc_transport=native is not possible here (%s); grpcio carries the gRPC API instead", error)
        return None
    return FrontedTransport


def channel_arguments(text: str) -> dict[str, str | int]:
    """``key=value,…`` as gRPC takes it: 32-bit integers as such, everything else as text."""
    arguments: dict[str, str | int] = {}
    for entry in filter(None, text.split(",")):
        key, equals, value = entry.partition("=")
        if not (key and equals):
            raise invalid_configuration(f"--grpc_channel_arguments has the entry {entry!r}; expected key=value")
        number = int(value) if _INTEGER.fullmatch(value) else None
        arguments[key] = number if number is not None and -(2**31) <= number < 2**31 else value
    return arguments
