"""Ports for programs that must be told theirs before they start."""

import os
import random
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

HOST = "127.0.0.1"

_RANGE_OF_KERNEL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_given: set[int] = set()


def free_port() -> int:
    """A TCP port that nothing listens on, another one with every call.

    It is none that the kernel gives to connections, and to listeners that ask for any, if there are others: one of
    those is now and then taken by somebody's connection before the program gets to bind it.
    """
    others = candidates(os.environ)
    for port in random.sample(others, len(others)):
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise OSError(f"none of {len(others)} ports is free")


def candidates(environment: Mapping[str, str]) -> Sequence[int]:
    """The ports of this worker of pytest-xdist, or all of them without it."""
    first, last = (int(word) for word in _RANGE_OF_KERNEL.read_text().split())
    ports = [*range(10_000, first), *range(last + 1, 65_536)] or list(range(first, last + 1))
    worker, workers = environment.get("PYTEST_XDIST_WORKER", "gw0"), environment.get("PYTEST_XDIST_WORKER_COUNT", "1")
    return ports[int(worker.removeprefix("gw")) :: int(workers)]


def _is_free(port: int) -> bool:
    try:
        # On all addresses, as the server does.
        socket.create_server(("0.0.0.0", port)).close()
    except OSError:
        return False
    return True
