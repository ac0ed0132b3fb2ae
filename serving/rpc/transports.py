"""What carries the gRPC API: one interface, two transports, and the choice between them."""

from collections.abc import Mapping
from typing import Protocol

from serving.errors import Code, ConfigurationError
from serving.rpc.grpcio import GrpcioTransport
from serving.rpc.routes import Handler
from serving.settings import Settings


class Transport(Protocol):
    """A listening gRPC server; its constructor binds the port."""

    @property
    def port(self) -> int:
        """The bound port."""
        ...

    def start(self) -> None:
        """Answer calls."""
        ...

    def drain(self, grace_seconds: float) -> None:
        """Let running calls finish, for ``grace_seconds`` at most, then close. Blocks."""
        ...


def open_transport(settings: Settings, handlers: Mapping[str, Handler]) -> Transport:
    """The transport that --grpc_transport names, bound to --port."""
    address = f"0.0.0.0:{max(settings.port, 0)}"
    match settings.grpc_transport:
        case "grpcio":
            return GrpcioTransport(
                handlers,
                address,
                max_threads=max(settings.grpc_max_threads, 1),
                max_request_bytes=settings.max_request_bytes,
                arguments=channel_arguments(settings.grpc_channel_arguments),
            )
        case "native":
            from serving.rpc.native import NativeTransport  # only here: grpcio needs no second HTTP/2 library

            return NativeTransport(handlers, address, max_request_bytes=settings.max_request_bytes)
        case other:
            raise ConfigurationError(Code.INVALID_ARGUMENT, f"--grpc_transport is {other!r}; expected grpcio or native")


def channel_arguments(text: str) -> dict[str, str | int]:
    """``key=value,…`` as gRPC takes it: 32-bit integers as such, everything else as text."""
    arguments: dict[str, str | int] = {}
    for entry in filter(None, text.split(",")):
        key, equals, value = entry.partition("=")
        if not equals:
            raise ConfigurationError(
                Code.INVALID_ARGUMENT, f"--grpc_channel_arguments has the entry {entry!r}; expected key=value"
            )
        number = int(value) if value.lstrip("-").isdecimal() else None
        arguments[key] = number if number is not None and -(2**31) <= number < 2**31 else value
    return arguments
