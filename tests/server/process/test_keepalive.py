"""How long an idle REST connection stays open: --rest_api_keepalive_seconds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.raw import RawConnection, request
from tests.support.server_process import ServerProcess

ON_LANE = request("POST", "/v1/models/default:predict", b'{"instances": [1.0]}')
ON_ROAD = request("GET", "/v1/models/default")


@pytest.fixture(scope="module", params=["true", "false"], ids=["lane", "no-lane"])
def server(request: pytest.FixtureRequest, models: Path) -> Iterator[ServerProcess]:
    """A server that is soon tired of idle connections."""
    flags = [f"--model_base_path={models / 'half_plus_three'}", f"--rest_small_request_lane={request.param}"]
    with ServerProcess([*flags, "--rest_api_keepalive_seconds=0.5"]) as server:
        yield server


@pytest.mark.parametrize(
    "requests",
    [
        pytest.param([ON_LANE, ON_LANE], id="lane"),
        pytest.param([ON_ROAD, ON_ROAD], id="road"),
        pytest.param([ON_LANE, ON_ROAD], id="lane then road"),
    ],
)
def test_idle_connection_ends(server: ServerProcess, requests: list[bytes]) -> None:
    """It is kept from one request to the next, and closed by the server when nothing comes for so long."""
    with RawConnection(server.rest_port) as connection:
        for each in requests:
            connection.send(each)
            assert connection.response().status == 200
        assert connection.rest() == b""
