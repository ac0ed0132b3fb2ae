"""How long calls take on average, per size of input."""

import numpy as np
import pytest

from serving.core.tensor import DataType, Tensor
from serving.servables.pace import INLINE_SECONDS, Pace, elements

SHORT, LONG = INLINE_SECONDS / 10, INLINE_SECONDS * 10


def paced(*calls: tuple[int, float]) -> Pace:
    """What is known after these calls, given as elements and seconds, and one before them that planned the step."""
    pace = Pace()
    for size, seconds in ((1, LONG), *calls):
        pace.note(size, seconds)
    return pace


@pytest.mark.parametrize(
    ("calls", "size", "expected"),
    [
        pytest.param([], 1, False, id="only planned"),
        pytest.param([(3, SHORT)], 3, True, id="short"),
        pytest.param([(3, SHORT)], 2, True, id="about as many"),
        pytest.param([(3, SHORT)], 192, False, id="a batch, never seen"),
        pytest.param([(192, SHORT)], 3, False, id="one row, never seen"),
        pytest.param([(3, SHORT), (192, LONG)], 3, True, id="short beside a long batch"),
        pytest.param([(3, SHORT), (192, LONG)], 192, False, id="long batch beside short rows"),
        pytest.param([(3, SHORT)] * 5 + [(3, LONG)], 3, True, id="held up once"),
        pytest.param([(3, SHORT)] * 5 + [(3, LONG)] * 3, 3, False, id="became long"),
        pytest.param([(3, LONG)] + [(3, SHORT)] * 50, 3, True, id="became short"),
        pytest.param([(0, SHORT)], 0, True, id="nothing"),
        pytest.param([(2**63, SHORT)], 2**63, True, id="as many as there can be"),
    ],
)
def test_inline_for_a_size(calls: list[tuple[int, float]], size: int, expected: bool) -> None:
    """A size is inline if calls of about this size have been short of late."""
    assert paced(*calls).inline_for(size) is expected


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        pytest.param([], False, id="only planned"),
        pytest.param([(1, SHORT)], True, id="short"),
        pytest.param([(1, SHORT)] * 3 + [(64, LONG)] * 3, False, id="the last was long"),
    ],
)
def test_inline_on_the_whole(calls: list[tuple[int, float]], expected: bool) -> None:
    """Without a size that of the last call counts."""
    assert paced(*calls).inline is expected


@pytest.mark.parametrize(
    ("shapes", "expected"), [([], 0), ([()], 1), ([(2, 3)], 6), ([(2, 3), (0,), (5,)], 11)], ids=str
)
def test_elements(shapes: list[tuple[int, ...]], expected: int) -> None:
    """All elements of all inputs count."""
    assert elements([Tensor(DataType.FLOAT, np.zeros(shape, np.float32)) for shape in shapes]) == expected


def test_short_is_told_apart_from_long() -> None:
    """A call of milliseconds is short though no door makes it; one of a tenth of a second is not, however often."""
    pace = Pace()
    for _ in range(60):
        pace.note(8, 0.005)
        pace.note(1024, 0.1)
    assert (pace.short_for(8), pace.inline_for(8), pace.short_for(1024)) == (True, False, False)
