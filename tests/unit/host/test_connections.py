"""Open connections by port, as the kernel lists them."""

import socket
from pathlib import Path

import pytest

from serving.host.connections import open_connections

HEAD = "  sl  local_address rem_address   st tx_queue\n"


@pytest.mark.parametrize(
    ("tcp", "tcp6", "expected"),
    [
        pytest.param("", "", {8500: 0, 8501: 0}, id="none"),
        pytest.param("0: 0100007F:2134 0100007F:A000 01 0:0\n" * 2, "", {8500: 2, 8501: 0}, id="open"),
        pytest.param("0: 0100007F:2134 0100007F:A000 08 0:0\n", "", {8500: 1, 8501: 0}, id="half closed"),
        pytest.param("0: 00000000:2134 00000000:0000 0A 0:0\n", "", {8500: 0, 8501: 0}, id="listening"),
        pytest.param("0: 0100007F:A000 0100007F:2134 01 0:0\n", "", {8500: 0, 8501: 0}, id="the client's end"),
        pytest.param("", f"0: {'0' * 32}:2135 {'0' * 32}:A000 01 0:0\n", {8500: 0, 8501: 1}, id="IPv6"),
        pytest.param("", None, {8500: 0, 8501: 0}, id="no IPv6"),
    ],
)
def test_connections_by_port(tmp_path: Path, tcp: str, tcp6: str | None, expected: dict[int, int]) -> None:
    """Those that are open, or that the client has ended on its side, over either family."""
    (tmp_path / "tcp").write_text(HEAD + tcp)
    if tcp6 is not None:
        (tmp_path / "tcp6").write_text(HEAD + tcp6)
    assert open_connections([8500, 8501], tmp_path) == expected


def test_real_connection_is_counted() -> None:
    """A client of this machine is one connection of the port, not two."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            assert open_connections([port]) == {port: 1}
