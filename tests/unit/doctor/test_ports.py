"""Addresses that can be listened on and those that cannot, on real sockets."""

import os
import socket
from pathlib import Path

import pytest

from serving.doctor.finding import Finding, Level
from serving.doctor.listeners import listener_on
from serving.doctor.ports import look
from serving.settings import Settings
from tests.unit.doctor.rows import level, only, somebody


def failing(settings: Settings) -> Finding:
    return only(look(settings))


def test_free_ports() -> None:
    """Nothing fails, and nothing is left listening."""
    assert level(look(Settings(port=-1, rest_api_port=-1)), Level.FAILS) == []


@pytest.mark.parametrize("flag", ["port", "rest_api_port"])
def test_taken_port(flag: str) -> None:
    """The row names the process that listens."""
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        row = failing(Settings(**{"port": -1, flag: port}))
        assert f"is taken by process {os.getpid()} (" in row.found
        assert row.advice == f"End that program, or give another --{flag}."
    assert level(look(Settings(**{"port": -1, flag: port})), Level.FAILS) == []


def test_same_port_twice() -> None:
    """The server would leave REST out."""
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
    row = failing(Settings(port=port, rest_api_port=port))
    assert row.what == f"REST at port {port}"
    assert f"--rest_api_port={port + 1}" in row.advice


def test_no_grpc() -> None:
    """The server does not start without it."""
    assert "there is no --grpc_socket_path" in failing(Settings(port=0)).found


def test_no_port() -> None:
    """A number that is no port is told before anything is bound."""
    assert "--rest_api_port=70000 is no port" in failing(Settings(port=-1, rest_api_port=70000)).found


def test_socket_in_use(tmp_path: Path) -> None:
    """Another server listens there."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        assert "another server listens there" in failing(Settings(port=0, grpc_socket_path=str(path))).found
    assert level(look(Settings(port=0, grpc_socket_path=str(path))), Level.FAILS) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("none/s", "there is no directory", id="no directory"),
        pytest.param("file", "a file, or a directory, of that name", id="a file"),
        pytest.param("x" * 120, "longer than the 107 bytes", id="too long"),
    ],
)
def test_impossible_socket(tmp_path: Path, name: str, words: str) -> None:
    """Each reason in words."""
    (tmp_path / "file").write_text("")
    assert words in failing(Settings(port=0, grpc_socket_path=str(tmp_path / name))).sentence


def test_socket_in_a_directory_of_others() -> None:
    """The row names the user and the directory."""
    with somebody() as directory:
        row = failing(Settings(port=0, grpc_socket_path="/usr/s"))
        assert f"user {os.geteuid()} may not write to /usr" in row.found
    assert directory.name


def test_nobody_listens() -> None:
    """A port of nobody has no process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert listener_on(port) == ""
