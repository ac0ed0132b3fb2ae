"""When a worker sends connections to the others."""

import pytest

from serving.processes.balancing import too_many


@pytest.mark.parametrize(
    ("mine", "of_others", "workers", "surplus"),
    [
        pytest.param(8, 0, 2, 4, id="all of them"),
        pytest.param(2, 0, 2, 1, id="the fewest"),
        pytest.param(3, 5, 4, 1, id="one more than its share"),
        pytest.param(2, 1, 2, 0, id="as even as it gets"),
        pytest.param(1, 0, 4, 0, id="a single one"),
        pytest.param(110, 90, 2, 0, id="nearly even"),
        pytest.param(0, 9, 2, 0, id="none"),
        pytest.param(9, 0, 1, 0, id="nobody else serves"),
    ],
)
def test_what_is_beyond_its_share_is_given_up(mine: int, of_others: int, workers: int, surplus: int) -> None:
    """Unless that is about what it has."""
    assert too_many(mine, of_others, workers) == surplus
