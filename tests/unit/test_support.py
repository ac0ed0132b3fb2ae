"""How tests are spread over workers: who shares a server stays together, and nobody takes another worker's port."""

import pytest

from tests.parity import replay
from tests.support.ports import candidates
from tests.support.workers import scope


@pytest.mark.parametrize(
    ("nodeid", "expected"),
    [
        pytest.param("tests/server/doors/test_grpc.py::test_a[native-@]", "tests/server/doors", id="server"),
        pytest.param("tests/server/test_protos.py::test_a", "tests/server/test_protos.py", id="on-its-own"),
        pytest.param("tests/unit/core/test_events.py::test_a[1]", "tests/unit/core/test_events.py", id="unit"),
        pytest.param("tests/walks/test_digits.py::test_a", "tests/walks/test_digits.py", id="walk"),
    ],
)
def test_tests_of_a_scope_stay_together(nodeid: str, expected: str) -> None:
    """Tests of the server go by their folder, others by their file."""
    assert scope(nodeid) == expected


def test_recordings_go_by_their_profile() -> None:
    """A server is started for each profile, so no two workers get recordings of one."""
    path = "tests/parity/test_parity.py"
    scopes = {case["id"]: scope(f"{path}::test_answers_as_recorded[{case['id']}]") for case in replay.load()}
    assert scopes == {case["id"]: case["profile"]["name"] for case in replay.load()}


def test_workers_have_ports_of_their_own() -> None:
    """The slices do not meet, and nothing is left out."""
    slices = [candidates({"PYTEST_XDIST_WORKER": f"gw{index}", "PYTEST_XDIST_WORKER_COUNT": "3"}) for index in range(3)]
    assert sorted(port for ports in slices for port in ports) == sorted(candidates({}))
