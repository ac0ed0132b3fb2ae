"""Ports that others have: of gRPC the start fails, of REST it goes on without; the one who has them is untouched."""

from tests.faults.under_load import FLAGS, fault
from tests.support.server_process import ServerProcess


def test_the_grpc_port_is_taken(server: ServerProcess, config: str) -> None:
    """The second server ends with 255 and names the port; the first one answers."""
    with (
        fault(server),
        ServerProcess((config, *FLAGS, f"--port={server.grpc_port}"), wait=False) as second,
    ):
        assert second.wait() == 255
    assert any(f":{server.grpc_port}" in line for line in second.output if "Failed to start" in line), second.output
    assert not any("Loading servable" in line for line in second.output), "the port is tried before models are loaded"


def test_the_rest_port_is_taken(server: ServerProcess, config: str) -> None:
    """The second server says so, serves gRPC alone, and ends with 0."""
    with (
        fault(server),
        ServerProcess((config, *FLAGS, f"--rest_api_port={server.rest_port}"), wait=False) as second,
    ):
        second.wait_for(rf"Failed to start HTTP Server at localhost:{server.rest_port}")
        second.wait_for(rf"No REST API: port {server.rest_port} could not be had")
        second.terminate()
        assert second.wait() == 0


def test_the_rest_port_is_taken_where_it_is_required(server: ServerProcess, config: str) -> None:
    """With --rest_api_required the second server ends with 255 and names the port."""
    flags = (config, *FLAGS, f"--rest_api_port={server.rest_port}", "--rest_api_required")
    with fault(server), ServerProcess(flags, wait=False) as second:
        assert second.wait() == 255
    failed = [line for line in second.output if "Failed to start server" in line]
    assert f":{server.rest_port}: Address already in use. See --rest_api_port" in failed[-1]
