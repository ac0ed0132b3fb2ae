"""Where the gRPC door listens: a TCP port, a UNIX socket, or both. It opens nothing."""

import socket
from urllib.parse import quote

from serving.errors import ConfigurationError, invalid_configuration
from serving.settings import Settings

_SCHEME = "unix:"


def addresses(settings: Settings) -> list[str]:
    """The addresses in gRPC's notation, the TCP one first. Raises ConfigurationError if the socket is in use."""
    found = [f"0.0.0.0:{max(settings.port, 0)}"] if settings.port else []
    if settings.grpc_socket_path:
        _check_unused(settings.grpc_socket_path)
        found.append(_SCHEME + settings.grpc_socket_path)
    return found


def is_tcp(address: str) -> bool:
    """Whether the address has a port; that of a UNIX socket has none."""
    return not address.startswith(_SCHEME)


def unix_path(address: str) -> str:
    """The path in the address of a UNIX socket."""
    return address.removeprefix(_SCHEME)


def percent_encoded(address: str) -> str:
    """The address as grpcio wants it, which takes that of a UNIX socket for a URL."""
    return address if is_tcp(address) else _SCHEME + quote(unix_path(address))


def cannot_listen(address: str, reason: str) -> ConfigurationError:
    """The start error of an address; TensorFlow Serving's words, and more."""
    flag = "--port" if is_tcp(address) else "--grpc_socket_path"
    return invalid_configuration(
        f"Failed to BuildAndStart gRPC server: cannot listen on {address}: {reason} See {flag}."
    )


def _check_unused(path: str) -> None:
    """Refuse a socket on which somebody listens; gRPC would take it away. One of a dead server is replaced."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return
        except OSError as error:
            raise cannot_listen(_SCHEME + path, f"{error.strerror or error}.") from None
    raise cannot_listen(_SCHEME + path, "another server listens there.")
