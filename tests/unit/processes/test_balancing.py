"""When a worker sends connections to the others."""

from collections.abc import Sequence

import pytest

from serving.processes.balancing import too_many


@pytest.mark.parametrize(
    ("mine", "others", "surplus"),
    [
        pytest.param(8, [0], 4, id="all of them"),
        pytest.param(2, [0], 1, id="the fewest"),
        pytest.param(4, [4, 0, 0], 2, id="two have none"),
        pytest.param(3, [3, 2, 0], 1, id="one has none"),
        pytest.param(2, [4, 2, 0], 0, id="others have more"),
        pytest.param(5, [3], 0, id="uneven, but nobody has none"),
        pytest.param(190, [10], 90, id="next to none"),
        pytest.param(1, [0, 0, 0], 0, id="a single one"),
        pytest.param(0, [9], 0, id="none"),
        pytest.param(9, [], 0, id="nobody else serves"),
    ],
)
def test_what_starved_workers_lack_is_given_up(mine: int, others: Sequence[int], surplus: int) -> None:
    """As far as it is beyond the share of who gives."""
    assert too_many(mine, others) == surplus
