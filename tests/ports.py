"""Ports for programs that must be told theirs before they start."""

import random
import socket
from pathlib import Path

HOST = "127.0.0.1"

_LOWEST = 10_000
_OF_CLIENTS = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
"""The first of the ports that the kernel gives to connections, and to listeners that ask for any."""

_untried = iter(random.sample(range(_LOWEST, _OF_CLIENTS), _OF_CLIENTS - _LOWEST))


def free_port() -> int:
    """A TCP port that nothing listens on, another one with every call.

    It is none that the kernel gives out: one of those is now and then taken by somebody's connection before the
    program gets to bind it.
    """
    for port in _untried:
        try:
            # On all addresses, as the server does.
            socket.create_server(("0.0.0.0", port)).close()
        except OSError:
            continue
        return port
    raise OSError(f"no port from {_LOWEST} to {_OF_CLIENTS} is free")
