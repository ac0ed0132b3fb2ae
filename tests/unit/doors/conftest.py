"""A bench for the tests of the lane."""

from collections.abc import Iterator

import pytest

from tests.unit.doors.lane_bench import Bench, benched


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A REST door in memory that answers; with the parameter False, one whose models are not there yet."""
    with benched(opened=getattr(request, "param", True)) as made:
        yield made
