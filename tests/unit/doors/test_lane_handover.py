"""Connections that leave the lane for the road, on sockets and uvloop as in the server, with and without TLS."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.doors.certificates import Authority
from tests.support.raw import request
from tests.unit.doors.lanes import Running, Tls, running

BODY = b'{"instances": [1.0, 2.0]}'
PLAIN = request("POST", "/v1/models/m:predict", BODY)
SLOW = request("POST", "/v1/models/slow:predict", BODY)
GET = request("GET", "/v1/models/m")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """What both ends of a connection need."""
    authority = Authority("ours")
    identity = authority.identity()
    path: Path = tmp_path_factory.mktemp("tls") / "identity.pem"
    path.write_bytes(identity.key + identity.certificate)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return Tls(server=server, client=ssl.create_default_context(cadata=authority.certificate.decode()))


@pytest.fixture(scope="module", params=["TCP", "TLS"])
def secured(request: pytest.FixtureRequest, tls: Tls) -> Tls | None:
    return tls if request.param == "TLS" else None


@pytest.fixture(scope="module", params=["lane", "road"])
def door(request: pytest.FixtureRequest, secured: Tls | None) -> Iterator[Running]:
    """A door with the lane and one without."""
    with running(lane=request.param == "lane", tls=secured) as made:
        yield made


@pytest.mark.parametrize(
    ("data", "responses"),
    [
        pytest.param(PLAIN * 100, 100, id="fast"),
        pytest.param(SLOW * 5, 5, id="slow"),
        pytest.param((SLOW + PLAIN) * 3, 6, id="mixed"),
        pytest.param(SLOW + PLAIN + GET + SLOW + GET + PLAIN, 6, id="leaving"),
        pytest.param(GET * 40, 40, id="nothing plain"),
    ],
)
def test_requests_behind_each_other_are_all_answered(door: Running, data: bytes, responses: int) -> None:
    """The last answers do not wait for the client to send more, whatever carries the bytes."""
    assert door.exchange([([data], responses)]).count(b"HTTP/1.1 200 OK") == responses


@pytest.fixture(scope="module")
def large_pair(secured: Tls | None) -> Iterator[tuple[Running, Running]]:
    """A door with the lane and one without, which take bodies of megabytes."""
    with (
        running(lane=True, tls=secured, max_request_bytes=2**24) as lane,
        running(lane=False, tls=secured, max_request_bytes=2**24) as road,
    ):
        yield lane, road


@pytest.mark.parametrize("numbers", [10_000, 100_000, 300_000])
def test_large_bodies_are_answered_alike(large_pair: tuple[Running, Running], numbers: int) -> None:
    """Bodies of 50 KB to 1.5 MB, one after the other on a connection, are taken on the lane and get the same bytes."""
    lane, road = large_pair
    body = b'{"instances": [%b1]}' % (b"0.125,1e9," * (numbers // 2 - 1))
    steps = [([request("POST", "/v1/models/m:predict", body)], 1)] * 2 + [([PLAIN], 1)]
    on_lane = lane.service.app.on_lane
    answers = lane.exchange(steps)
    assert answers == road.exchange(steps)
    assert answers.count(b"HTTP/1.1 200 OK") == 3
    assert lane.service.app.on_lane == on_lane + 3


def test_connection_leaves_once_and_goes_on(secured: Tls | None) -> None:
    """Requests, the one that leaves in two pieces, and requests again: one connection, in order, each answered once."""
    with running(lane=True, tls=secured) as door:
        steps = [([PLAIN], 1), ([SLOW, GET[:20]], 1), ([GET[20:]], 1), ([PLAIN, SLOW], 2)]
        assert door.exchange(steps).count(b"HTTP/1.1 200 OK") == 5
        assert (door.service.app.on_lane, door.service.app.on_road) == (2, 3)
