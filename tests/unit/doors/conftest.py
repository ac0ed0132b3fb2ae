"""A bench for the tests of the lane, and listeners for those of what works behind a server's back."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.unit.doors.lane_bench import Bench, benched
from tests.unit.doors.served_sockets import Serve, Served


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A REST door in memory that answers; with the parameter False, one whose models are not there yet."""
    with benched(opened=getattr(request, "param", True)) as made:
        yield made


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Makes listeners of a kind."""
    with ExitStack() as stack:

        def make(kind: str) -> Served:
            if kind == "unix":
                listener = socket.socket(socket.AF_UNIX)
                listener.bind(str(tmp_path / "socket"))
            else:
                listener = socket.socket(socket.AF_INET6 if kind == "ipv6" else socket.AF_INET)
                listener.bind(("::1" if kind == "ipv6" else "127.0.0.1", 0))
            return Served(listener, stack)

        yield make


@pytest.fixture(params=["ipv4", "ipv6", "unix"])
def served(request: pytest.FixtureRequest, serve: Serve) -> Served:
    """A listener of each kind."""
    return serve(str(request.param))
