"""Whatever is wrong with a request to the REST API, the answer has the one shape of an error, or is no error at all."""

from collections.abc import Iterator

import pytest

from tests.server.doors.conftest import Servers
from tests.support.raw import RawConnection, request
from tests.support.server_process import ServerProcess

ROUTES = (
    "/v1/models/half_plus_two:predict",
    "/v1/models/half_plus_two/versions/123:predict",
    "/v1/models/labels/labels/stable:predict",
    "/v1/models/labels/labels/none:predict",
    "/v1/models/multi:predict",
    "/v1/models/strings:predict",
    "/v1/models/classifier:classify",
    "/v1/models/classifier:regress",
    "/v1/models/none:predict",
    "/v1/models/half_plus_two",
    "/v1/models/half_plus_two/versions/9",
    "/v1/models/half_plus_two/metadata",
    "/v1/models/",
    "/v1/models/half_plus_two:explain",
    "/v1/nothing",
)
OPENED, CLOSED = b"[" * 500_000, b"]" * 500_000
WITH_BODY = ("GET", "POST", "PUT", "DELETE", "PATCH")
BODIES = {
    "empty": b"",
    "blank": b" \n",
    "cut": b'{"instances": [1.0',
    "no object": b"[1.0]",
    "null": b"null",
    "nothing known": b"{}",
    "no list": b'{"instances": 1.0}',
    "empty list": b'{"instances": []}',
    "ragged": b'{"instances": [[1.0], [1.0, 2.0]]}',
    "both": b'{"instances": [1.0], "inputs": [1.0]}',
    "wrong types": b'{"instances": [null, {"a": []}]}',
    "wrong signature": b'{"signature_name": "none", "instances": [1.0]}',
    "signature no string": b'{"signature_name": 1, "instances": [1.0]}',
    "examples": b'{"examples": [{"v": "one"}]}',
    "bad base64": b'{"instances": [{"b64": "*"}]}',
    "too large a number": b'{"instances": [1e999]}',
    "bytes": bytes(range(256)),
    "zero bytes": b"\x00" * 1000,
    "deep": b"[" * 20_000,
    "deep in a value": b'{"instances": ' + b"[" * 20_000,
}


@pytest.fixture(scope="module")
def server(servers: Servers) -> ServerProcess:
    return servers("grpcio")


@pytest.fixture(scope="module")
def connection(server: ServerProcess) -> Iterator[RawConnection]:
    """One connection for all of these requests: an error of the API does not end it."""
    with RawConnection(server.rest_port) as connection:
        yield connection


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in BODIES.items()])
@pytest.mark.parametrize("method", WITH_BODY)
@pytest.mark.parametrize("route", ROUTES)
def test_errors_have_one_shape(connection: RawConnection, route: str, method: str, body: bytes) -> None:
    """A JSON object with the text alone, and the connection stays open. A body that is not looked at is no error."""
    connection.send(request(method, route, body))
    response = connection.response()
    assert response.headers["content-type"] == "application/json"
    assert "connection" not in response.headers
    if response.status == 200:
        assert method == "GET"
    else:
        assert response.status in (400, 404)
        assert list(response.json) == ["error"]
        assert response.json["error"]
        assert "Traceback" not in response.json["error"]


@pytest.mark.parametrize("route", ROUTES)
def test_head_is_malformed_without_a_body(connection: RawConnection, route: str) -> None:
    """HEAD is not part of the API; its answer has no body, so the connection is good for more."""
    connection.send(request("HEAD", route), request("GET", "/v1/models/half_plus_two"))
    assert connection.response(with_body=False).status == 400
    assert connection.response().status == 200


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("method", ["FOO", "TRACE", "PROPFIND"])
def test_unknown_methods_get_a_page(server: ServerProcess, method: str, route: str) -> None:
    """What is no method of the API is answered with TensorFlow Serving's page, and the connection ends."""
    with RawConnection(server.rest_port) as connection:
        connection.send(request(method, route))
        response = connection.response()
        assert (response.status, response.headers["content-type"]) == (501, "text/html")
        assert b"<H1>Not Implemented</H1>" in response.body
        assert connection.rest() == b""


@pytest.mark.parametrize(
    ("body", "status", "keys"),
    [
        pytest.param(
            b'{"ignored": %b%b, "instances": [1.0]}' % (OPENED, CLOSED), 200, ["predictions"], id="in an ignored key"
        ),
        pytest.param(b'{"instances": %b1.0%b}' % (OPENED, CLOSED), 400, ["error"], id="in the value"),
        pytest.param(b'{"instances": ' + OPENED, 400, ["error"], id="never closed"),
    ],
)
def test_500_000_levels_of_json(connection: RawConnection, body: bytes, status: int, keys: list[str]) -> None:
    """Depth is no problem where the value is not wanted, and an error like any other where it is."""
    connection.send(request("POST", "/v1/models/half_plus_three:predict", body))
    response = connection.response()
    assert (response.status, list(response.json)) == (status, keys)
