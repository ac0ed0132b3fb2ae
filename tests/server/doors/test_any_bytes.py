"""Whatever bytes arrive, every request gets an answer, and the next good request gets the right one."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import Code
from tests.server.doors.clients import GrpcClient, RefusedError, Target, floats, predict_request, text
from tests.server.doors.conftest import Servers
from tests.support.properties import examples
from tests.support.raw import RawConnection, request
from tests.support.server_process import ServerProcess

HALF_PLUS_THREE = Target(model="half_plus_three")
ONE = {"x": floats(1, 2, 5)}
CODES = {code.name for code in Code} | {"OK"}
METHODS = st.sampled_from(
    [
        "PredictionService/Predict",
        "PredictionService/Classify",
        "PredictionService/Regress",
        "PredictionService/MultiInference",
        "PredictionService/GetModelMetadata",
        "ModelService/GetModelStatus",
    ]
)
MESSAGES = (
    predict_request(HALF_PLUS_THREE, ONE, output_filter=("y",)),
    predict_request(Target(model="labels", label="stable"), ONE),
    predict_request(Target(model="strings", version=1), {"s": text(b"one", b"two")}),
)
DOCUMENTS = (
    b'{"signature_name": "serving_default", "instances": [1.0, -2e3, 5]}',
    b'{"inputs": {"a": [[1.0, 2.0]], "b": [1]}}',
    b'{"instances": [{"b64": "YWJj"}, "text \\u00e9"]}',
    b'{"examples": [{"v": 1.5, "s": ["a", {"b64": "YWJj"}]}]}',
)
ROUTES = st.sampled_from(
    [
        "/v1/models/half_plus_three:predict",
        "/v1/models/multi:predict",
        "/v1/models/strings:predict",
        "/v1/models/classifier:classify",
        "/v1/models/classifier:regress",
    ]
)


@st.composite
def mutated(draw: st.DrawFn, whole: tuple[bytes, ...]) -> bytes:
    """One of ``whole`` with a few stretches cut out, doubled or replaced."""
    data = bytearray(draw(st.sampled_from(whole)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(start + 8, len(data))))
        data[start:end] = draw(st.one_of(st.binary(max_size=4), st.just(bytes(data[start:end] * 2))))
    return bytes(data)


@pytest.fixture(scope="module")
def rest(servers: Servers) -> ServerProcess:
    return servers("grpcio")


@pytest.fixture(scope="module")
def client(transport: str, servers: Servers) -> Iterator[GrpcClient]:
    made = GrpcClient(servers(transport))
    yield made
    made.close()


def check_rest(server: ServerProcess) -> None:
    status, body = server.rest("POST", "/v1/models/half_plus_three:predict", b'{"instances": [1.0]}')
    assert (status, json.loads(body)) == (200, {"predictions": [3.5]})


@examples(100)
@given(route=ROUTES, body=st.one_of(st.binary(max_size=200), mutated(DOCUMENTS)))
def test_any_body(rest: ServerProcess, route: str, body: bytes) -> None:
    """A body is understood or refused in the one shape of an error, and the connection carries the next request."""
    with RawConnection(rest.rest_port) as connection:
        connection.send(request("POST", route, body), request("GET", "/v1/models/labels"))
        response = connection.response()
        assert response.headers["content-type"] == "application/json"
        assert response.status in (200, 400, 501)
        if response.status != 200:
            # An echoed value may be cut in the middle of a character.
            assert list(json.loads(response.body.decode(errors="replace"))) == ["error"]
        assert connection.response().status == 200
    check_rest(rest)


@examples(100)
@given(
    data=st.one_of(
        st.binary(min_size=1, max_size=200),
        mutated(tuple(request("POST", "/v1/models/half_plus_three:predict", body) for body in DOCUMENTS)),
    )
)
def test_any_bytes_on_a_connection(rest: ServerProcess, data: bytes) -> None:
    """What comes back is HTTP, or the end of the connection; the next client does not notice."""
    with RawConnection(rest.rest_port) as connection:
        connection.send(data)
        connection.socket.shutdown(1)
        answer = connection.rest()
    assert answer == b"" or answer.startswith(b"HTTP/1.")
    assert b" 500 " not in answer.partition(b"\r\n")[0]
    check_rest(rest)


@examples(100)
@given(method=METHODS, payload=st.one_of(st.binary(max_size=200), mutated(MESSAGES)))
def test_any_message(client: GrpcClient, method: str, payload: bytes) -> None:
    """A message is answered or refused with a canonical code, and never by the net for bugs."""
    code, error = "OK", ""
    try:
        client.call(method, payload)
    except RefusedError as refused:
        code, error = refused.code, refused.text
    assert code in CODES
    assert "the server's log" not in error
    assert client.predict(HALF_PLUS_THREE, ONE)["y"].tolist() == [3.5, 4.0, 5.5]
