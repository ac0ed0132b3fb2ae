"""CORS at the REST door: what a browser asks before it calls, and the headers it wants to see."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.doors.conftest import Servers
from tests.support.raw import RawConnection, Response, request
from tests.support.server_process import ServerProcess

PREDICT = "/v1/models/default:predict"
BODY = b'{"instances": [1.0]}'
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


LISTED, OTHER = "https://a.example", "https://other.example"
NAMES = (
    "content-type, content-encoding, authorization, x-api-key, x-request-id, x-priority, traceparent, tracestate, "
    "inference-header-content-length, x-grpc-web, x-user-agent, grpc-timeout"
)


@pytest.fixture(scope="module", params=["lane", "road"])
def listing(request: pytest.FixtureRequest, models: Path) -> Iterator[ServerProcess]:
    """A server that allows two sites, though the flag for every site is given, too."""
    flags = (
        f"--model_base_path={models / 'half_plus_three'}",
        f"--rest_api_cors_allowed_origins={LISTED},http://b.example:3000",
        "--rest_api_enable_cors_support",
        f"--rest_small_request_lane={str(request.param == 'lane').lower()}",
    )
    with ServerProcess(flags) as server:
        yield server


@pytest.mark.parametrize("origin", [LISTED, "http://b.example:3000"])
@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("POST", PREDICT, BODY, 200, id="predict"),
        pytest.param("POST", PREDICT, b"{", 400, id="error"),
        pytest.param("GET", STATUS, None, 200, id="status"),
        pytest.param("GET", "/v1/none/of/these", None, 400, id="malformed path"),
    ],
)
def test_answers_name_the_listed_origin(
    listing: ServerProcess, origin: str, method: str, path: str, body: bytes | None, status: int
) -> None:
    """That of the request alone, with the headers that scripts may read; errors too."""
    response = exchange(listing, request(method, path, body, f"Origin: {origin}"))
    assert response.status == status
    told = cors(response)
    assert (told.pop("access-control-allow-origin"), response.headers["vary"]) == (origin, "Origin")
    exposed = told.pop("access-control-expose-headers").lower().split(", ")
    assert {"grpc-status", "grpc-message", "inference-header-content-length", "retry-after"} <= set(exposed)
    assert told == {}


@pytest.mark.parametrize("headers", [[], [f"Origin: {OTHER}"], [f"Origin: {LISTED}.evil"], ["Origin: null"]], ids=str)
def test_others_are_answered_without_cors(listing: ServerProcess, headers: list[str]) -> None:
    """The answer is there, as without a browser; caches are told that it depends on the origin."""
    for data in (request("POST", PREDICT, BODY, *headers), request("GET", STATUS, None, *headers)):
        response = exchange(listing, data)
        assert (response.status, cors(response), response.headers["vary"]) == (200, {}, "Origin")


def test_origins_on_one_connection(listing: ServerProcess) -> None:
    """A proxy sends the requests of many pages on one: each answer is for its own."""
    with RawConnection(listing.rest_port) as connection:
        for origin, expected in ((LISTED, LISTED), (LISTED, LISTED), (OTHER, None), (LISTED, LISTED), ("", None)):
            connection.send(request("POST", PREDICT, BODY, *([f"Origin: {origin}"] if origin else [])))
            assert connection.response().headers.get("access-control-allow-origin") == expected


def test_preflight_of_a_listed_origin(listing: ServerProcess) -> None:
    """It may send every header that the server reads, and need not ask again for two hours."""
    asks = ("Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization,x-grpc-web")
    response = exchange(listing, request("OPTIONS", PREDICT, None, f"Origin: {LISTED}", *asks))
    assert (response.status, response.body, response.headers["vary"]) == (200, b"", "Origin")
    assert {name: value.lower() for name, value in cors(response).items()} == {
        "access-control-allow-origin": LISTED,
        "access-control-allow-methods": "get, post",
        "access-control-allow-headers": NAMES,
        "access-control-max-age": "7200",
    }


@pytest.mark.parametrize("headers", [[], [f"Origin: {OTHER}"], ["Origin: null"]], ids=str)
def test_preflight_of_others(listing: ServerProcess, headers: list[str]) -> None:
    """400, and nothing that a browser could take for leave."""
    response = exchange(listing, request("OPTIONS", PREDICT, None, *headers))
    assert (response.status, response.body, cors(response)) == (400, b"", {})


def test_origin_that_is_none(models: Path) -> None:
    """The start fails, and says which entry it is."""
    flags = (f"--model_base_path={models / 'half_plus_three'}", "--rest_api_cors_allowed_origins=https://*.example")
    with ServerProcess(flags, wait=False) as server:
        assert server.wait() == 255
    assert "the entry 'https://*.example'" in "".join(server.output)
