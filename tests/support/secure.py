"""Where a server listens with TLS, as a number or a path that knows how to connect to it; plain ones are as ever."""

import socket
import ssl

import grpc

_SECONDS = 60.0
NAME = "localhost"
"""Whose certificate servers of tests have."""


class SecurePort(int):
    """A port behind which there is TLS, with a certificate that the authority ``trust`` vouches for, as PEM."""

    trust: bytes


class SecurePath(str):
    """As ``SecurePort``, the path of a UNIX socket."""

    __slots__ = ("trust",)
    trust: bytes


def secure_port(port: int, trust: bytes) -> SecurePort:
    """The port, with TLS."""
    made = SecurePort(port)
    made.trust = trust
    return made


def secure_path(path: str, trust: bytes) -> SecurePath:
    """The path, with TLS."""
    made = SecurePath(path)
    made.trust = trust
    return made


def connected(address: int | str) -> socket.socket:
    """A connection to a port of this machine or to a UNIX socket, past the handshake where there is one."""
    if isinstance(address, str):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_SECONDS)
        try:
            connection.connect(address)
        except OSError:
            connection.close()
            raise
    else:
        connection = socket.create_connection(("127.0.0.1", int(address)), _SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not isinstance(address, SecurePort | SecurePath):
        return connection
    context = ssl.create_default_context(cadata=address.trust.decode())
    context.set_alpn_protocols(["h2"])
    return context.wrap_socket(connection, server_hostname=NAME)


def channel(target: str, address: int | str, options: tuple[tuple[str, str | int], ...] = ()) -> grpc.Channel:
    """A channel to ``target`` with TLS if ``address`` has it."""
    if not isinstance(address, SecurePort | SecurePath):
        return grpc.insecure_channel(target, options)
    credentials = grpc.ssl_channel_credentials(address.trust)
    return grpc.secure_channel(target, credentials, (("grpc.ssl_target_name_override", NAME), *options))
