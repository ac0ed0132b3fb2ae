"""How far two answers are apart, and whether they agree."""

from typing import Any

import numpy as np
import pytest

from serving.core.differences import Difference, TopOne, agree, difference, top_one
from serving.core.tensor import STORAGE, DataType, Tensor

NAN, INF = float("nan"), float("inf")


def tensor(values: Any, dtype: DataType = DataType.FLOAT) -> Tensor:
    """A tensor of nested lists."""
    return Tensor(dtype, np.array(values, STORAGE[dtype]))


def bfloat16(*values: float) -> Tensor:
    """Bit patterns, as the server has them."""
    return Tensor(DataType.BFLOAT16, (np.array(values, np.float32).view(np.uint32) >> 16).astype(np.uint16))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param(tensor([1.0, 2.0]), tensor([1.5, 1.0]), 1.0, id="floats"),
        pytest.param(tensor([]), tensor([]), 0.0, id="nothing"),
        pytest.param(tensor([NAN, INF, 1.0]), tensor([NAN, INF, 3.0]), 2.0, id="the same not finite ones"),
        pytest.param(tensor([1.0]), tensor([1.25], DataType.DOUBLE), 0.25, id="two types"),
        pytest.param(tensor([1], DataType.INT32), tensor([0.5]), 0.5, id="a number and a float"),
        pytest.param(tensor([True, False], DataType.BOOL), tensor([True, True], DataType.BOOL), 1.0, id="truths"),
        pytest.param(tensor([3j], DataType.COMPLEX64), tensor([4], DataType.COMPLEX64), 5.0, id="complex"),
        pytest.param(tensor([2**62 + 1], DataType.INT64), tensor([2**62], DataType.INT64), 1.0, id="large integers"),
        pytest.param(
            tensor([-(2**63)], DataType.INT64), tensor([2**63 - 1], DataType.INT64), float(2**64 - 1), id="far apart"
        ),
        pytest.param(tensor([200], DataType.UINT8), tensor([250], DataType.UINT8), 50.0, id="bytes"),
        pytest.param(bfloat16(1.0, 2.0), bfloat16(1.0, 2.5), 0.5, id="bfloat16"),
    ],
)
def test_difference(first: Tensor, second: Tensor, expected: float) -> None:
    """The largest one of all elements, whichever comes first."""
    assert difference(first, second) == difference(second, first) == Difference(expected)


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        pytest.param(tensor([b"a"], DataType.STRING), tensor([1.0]), "strings are no numbers", id="strings"),
        pytest.param(
            tensor([1], DataType.QINT8),
            tensor([1], DataType.QINT8),
            "values of type qint8 are not compared",
            id="codes",
        ),
        pytest.param(tensor([1.0]), tensor([[1.0]]), "the shapes differ: [1] and [1, 1]", id="shapes"),
        pytest.param(
            tensor([1.0]), tensor([NAN]), "a value is finite in one answer and not in the other", id="not finite"
        ),
        pytest.param(
            tensor([INF]), tensor([-INF]), "a value is finite in one answer and not in the other", id="two infinities"
        ),
    ],
)
def test_no_difference(first: Tensor, second: Tensor, reason: str) -> None:
    """There is a reason in its place."""
    assert difference(first, second) == Difference(None, reason)


def test_top_one() -> None:
    """Rows of all outputs that have columns of floats are counted; no other output is looked at."""
    first = {
        "scores": tensor([[0.1, 0.9], [0.8, 0.2]]),
        "mask": tensor([[[0.0, 1.0, 0.0]]]),
        "half": bfloat16(1.0, 2.0),
        "classes": tensor([[1, 2]], DataType.INT64),
        "one": tensor([[1.0]]),
        "gone": tensor([[1.0, 2.0]]),
        "wider": tensor([[1.0, 2.0]]),
        "none": tensor(np.zeros((0, 2))),
    }
    second = {
        **first,
        "scores": tensor([[0.2, 0.8], [0.1, 0.9]]),
        "wider": tensor([[1.0, 2.0, 3.0]]),
    }
    del second["gone"]
    assert top_one(first, second) == TopOne(agreed=2, rows=3)
    assert top_one({}, {}) == TopOne(0, 0)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        pytest.param(tensor([1000.0, 0.0]), tensor([1000.05, 0.05]), True, id="close"),
        pytest.param(tensor([1000.0, 0.0]), tensor([1000.2, 0.0]), False, id="not close"),
        pytest.param(tensor([0.0]), tensor([1e-39]), True, id="subnormal"),
        pytest.param(tensor([NAN, INF]), tensor([NAN, INF]), True, id="not finite"),
        pytest.param(tensor([NAN]), tensor([1.0]), False, id="finite now"),
        pytest.param(tensor([1.0]), tensor([NAN]), False, id="not finite now"),
        pytest.param(tensor([]), tensor([]), True, id="nothing"),
        pytest.param(tensor([1.0]), tensor([1.0, 1.0]), False, id="shape"),
        pytest.param(tensor([1.0]), tensor([1.0], DataType.DOUBLE), False, id="type"),
        pytest.param(tensor([7], DataType.INT32), tensor([7], DataType.INT32), True, id="integers"),
        pytest.param(tensor([7], DataType.INT32), tensor([8], DataType.INT32), False, id="other integers"),
        pytest.param(tensor([b"a"], DataType.STRING), tensor([b"b"], DataType.STRING), False, id="strings"),
        pytest.param(bfloat16(1.0), bfloat16(1.0), True, id="bfloat16"),
        pytest.param(bfloat16(1.0), bfloat16(1.5), False, id="other bfloat16"),
    ],
)
def test_agree(first: Tensor, second: Tensor, same: bool) -> None:
    """Floats within the tolerance, all else exactly."""
    assert agree({"y": first}, {"y": second}) is same


def test_other_outputs_do_not_agree() -> None:
    """Both have to have the same."""
    assert not agree({"y": tensor([1.0])}, {"y": tensor([1.0]), "z": tensor([1.0])})
