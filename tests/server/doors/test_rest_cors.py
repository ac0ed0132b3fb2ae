"""CORS at the REST door: what a browser asks before it calls, and the headers it wants to see."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.doors.conftest import Servers
from tests.support.raw import RawConnection, Response, request
from tests.support.server_process import ServerProcess

STATUS = "/v1/models/default"
HEADERS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "POST, GET",
    "access-control-allow-headers": "Content-Type",
}


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[ServerProcess]:
    """A server with CORS."""
    flags = (f"--model_base_path={models / 'half_plus_three'}", "--rest_api_enable_cors_support")
    with ServerProcess(flags) as server:
        yield server


def exchange(server: ServerProcess, data: bytes) -> Response:
    """One request on a connection of its own."""
    with RawConnection(server.rest_port) as connection:
        connection.send(data)
        return connection.response()


def cors(response: Response) -> dict[str, str]:
    """The CORS headers of a response."""
    return {name: value for name, value in response.headers.items() if name.startswith("access-control-")}


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(request("POST", STATUS + ":predict", b'{"instances": [1.0]}'), 200, id="predict"),
        pytest.param(request("GET", STATUS), 200, id="status"),
        pytest.param(request("GET", STATUS + "/metadata"), 200, id="metadata"),
        pytest.param(request("POST", STATUS + ":predict", b"{"), 400, id="error"),
        pytest.param(request("OPTIONS", STATUS, None, "Origin: http://example.org"), 200, id="preflight"),
    ],
)
def test_answers_of_the_api_allow_other_origins(server: ServerProcess, data: bytes, status: int) -> None:
    """All of them, errors too: a browser could not read those otherwise."""
    response = exchange(server, data)
    assert (response.status, cors(response)) == (status, HEADERS)


def test_pages_are_not_of_the_api(server: ServerProcess) -> None:
    """The page of an unknown path has no CORS headers."""
    response = exchange(server, request("GET", "/nothing"))
    assert (response.status, cors(response)) == (404, {})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param(["Origin: http://example.org"], 200, id="http"),
        pytest.param(["Origin: https://example.org:8080"], 200, id="https"),
        pytest.param(["Origin: null"], 400, id="null"),
        pytest.param([], 400, id="none"),
    ],
)
def test_preflight_depends_on_the_origin(servers: Servers, headers: list[str], status: int) -> None:
    """Without the flag OPTIONS is answered by its Origin alone, without a body and without CORS headers."""
    response = exchange(servers("grpcio"), request("OPTIONS", "/v1/models/labels", None, *headers))
    assert (response.status, response.body, cors(response)) == (status, b"", {})
