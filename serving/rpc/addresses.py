"""Where the gRPC door listens: a TCP port at one address or several, a UNIX socket, or both. It opens nothing."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import quote

from serving.errors import ConfigurationError, invalid_configuration
from serving.host.addresses import IPV4, IPV6, for_grpc, shown
from serving.host.listening import bind, ipv4_alone, shared_by
from serving.settings import Settings

_SCHEME = "unix:"
_SHARED = "grpc.so_reuseport"
"""The channel argument by which servers share a port."""


@contextmanager
def reserved(settings: Settings, *, each_family: bool = False) -> Iterator[list[str]]:
    """The addresses in gRPC's notation, those of TCP first and with one port; it is theirs to be bound in the block.

    ``each_family`` gives IPv4 an address of its own where this system's listeners on IPv6 do not take it by default.
    Raises ConfigurationError for an address that is none, or a socket in use.
    """
    at = list(for_grpc(settings)) if settings.port else []
    if each_family and at == [IPV6] and _ipv6_is_alone():
        at.append(IPV4)
    port = max(settings.port, 0)
    with ExitStack() as held:
        if len(at) > 1 and not port:  # bound beside ours, which do not listen, it is the same one for all
            listeners = [held.enter_context(listener) for listener in _bound(at)]
            port = int(listeners[0].getsockname()[1])
        found = [shown(host, port) for host in at]
        if settings.grpc_socket_path:
            _check_unused(settings.grpc_socket_path)
            found.append(_SCHEME + settings.grpc_socket_path)
        yield found


def check(settings: Settings) -> None:
    """Raise ConfigurationError if the port, or the socket, cannot be had now; nobody can connect to it meanwhile."""
    if settings.port > 0 and shared_by() == 1 and _SHARED not in settings.grpc_channel_arguments:
        for listener in _bound(list(for_grpc(settings)), settings.port):
            listener.close()
    if settings.grpc_socket_path:
        _check_unused(settings.grpc_socket_path)


def _bound(at: list[str], port: int = 0) -> list[socket.socket]:
    try:
        return bind(at, port)
    except OSError as error:
        raise cannot_listen(str(error.filename), f"{error.strerror}.") from None


def _ipv6_is_alone() -> bool:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as listener:
        return bool(listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))


def listened(address: str, port: int) -> tuple[str, int] | str:
    """What the address, once bound to ``port``, is to the system: host and port, or a path."""
    if not is_tcp(address):
        return unix_path(address)
    return address.rpartition(":")[0].strip("[]").partition("%")[0], port


def is_tcp(address: str) -> bool:
    """Whether the address has a port; that of a UNIX socket has none."""
    return not address.startswith(_SCHEME)


def unix_path(address: str) -> str:
    """The path in the address of a UNIX socket."""
    return address.removeprefix(_SCHEME)


@contextmanager
def as_grpcio_takes_it(address: str) -> Iterator[str]:
    """What grpcio is to open in the block: it takes a UNIX socket's for a URL, and all of IPv4 for all."""
    host, _, port = address.rpartition(":")
    if not is_tcp(address):
        yield _SCHEME + quote(unix_path(address))
    elif host == IPV4:
        with ipv4_alone(int(port)) as kept:
            yield shown(IPV4, kept)
    else:
        yield address


def cannot_listen(address: str, reason: str) -> ConfigurationError:
    """The start error of an address; TensorFlow Serving's words, and more."""
    flag = "--port and --grpc_bind_address" if is_tcp(address) else "--grpc_socket_path"
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
