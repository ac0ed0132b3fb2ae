"""What carries the gRPC API: one interface, two transports, and the choice between them."""

import tempfile
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from serving.host.allocator import return_free_pages
from serving.host.listening import can_admit
from serving.inference.accounts import Accounts
from serving.inference.context import Admit
from serving.inference.unsent import UnsentBytes
from serving.rpc import connections
from serving.rpc.addresses import reserved
from serving.rpc.api.health import CHECK, Health
from serving.rpc.api.reflection import Reflection
from serving.rpc.credentials import server_credentials
from serving.rpc.handler import Handler, Streaming
from serving.rpc.transports.grpcio import LARGEST_MESSAGE, GrpcioTransport
from serving.settings import Settings
from serving.telemetry.log import logger
from serving.tls import CredentialsFile

if TYPE_CHECKING:
    from serving.rpc.transports.ageing import Surplus
    from serving.rpc.transports.fronted import FrontedTransport


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
    tls: CredentialsFile | None = None,
    unsent: UnsentBytes | None = None,
    accounts: Accounts | None = None,
    streams: Sequence[Streaming] = (),
    surplus: "Surplus | None" = None,
) -> Transport:
    """The transport that --grpc_transport names, or grpcio if that one cannot do what other flags ask for.

    Bound to --port at --grpc_bind_address, and to --grpc_socket_path. ``unsent`` is the count that it shares with
    other doors; ``streams`` are services beside those that every server has; of its connections ``surplus`` are
    sent elsewhere, where a transport can do that. Raises ConfigurationError.
    """
    unsent = unsent or UnsentBytes(settings.max_unsent_bytes, return_free_pages)
    health = Health(admit) if settings.enable_grpc_healthcheck_service else None
    aside: dict[str, Handler] = {CHECK: health.check} if health else {}
    names = {path.split("/")[1] for path in (*handlers, *aside)}
    services: list[Streaming] = [Reflection(names, admit), *([health] if health else []), *streams]
    max_threads = max(settings.grpc_max_threads, 1)
    credentials = server_credentials(tls, alts=settings.use_alts_credentials)
    fronted = _fronted_transport(settings)
    with reserved(settings, each_family=fronted is not None and tls is None) as addresses:
        if fronted is not None:
            return fronted(
                handlers,
                addresses,
                max_threads=max_threads,
                max_request_bytes=settings.max_request_bytes,
                max_streams=settings.grpc_max_concurrent_streams,
                limits=connections.limits(settings),
                surplus=surplus,
                aside=aside,
                services=services,
                unsent=unsent,
                accounts=accounts,
                tls=tls,
            )
        return GrpcioTransport(
            {**handlers, **aside},
            addresses,
            max_threads=max_threads,
            max_request_bytes=settings.max_request_bytes,
            arguments=connections.arguments(settings),
            services=services,
            credentials=credentials,
            unsent=unsent,
            accounts=accounts,
        )


def _fronted_transport(settings: Settings) -> "type[FrontedTransport] | None":
    """The native transport, None if it is not wanted or cannot do what other flags ask for."""
    if settings.grpc_transport == "grpcio":
        return None
    beyond = [
        *(["use_alts_credentials"] if settings.use_alts_credentials else []),
        *connections.beyond_native(settings),
    ]
    if settings.max_request_bytes < LARGEST_MESSAGE:
        beyond.append("max_request_bytes")  # the front looks at the size of a message once it has all of it in memory
    if settings.ssl_config_file and not _can_hide():
        beyond.append("ssl_config_file")  # what is behind the relay would be open to whoever is on this machine
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


def _can_hide() -> bool:
    """Whether this system has the means to keep others from what is behind a relay: filters, a temporary directory."""
    try:
        return can_admit() and bool(tempfile.gettempdir())
    except FileNotFoundError:
        return False
