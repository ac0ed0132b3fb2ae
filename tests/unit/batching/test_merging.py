"""Tensors of several callers to those of one run, and back."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.batching import merging
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from tests.unit.batching.models import tensor, values

ROWS_REFUSED = [
    pytest.param([], False, "Batching Run() must have at least one input tensor", id="no-input"),
    pytest.param([tensor(1.0)], False, "Batching Run() input tensors must have at least one dimension", id="scalar"),
    pytest.param(
        [tensor([1.0]), tensor(1.0)],
        False,
        "Batching Run() input tensors must have at least one dimension",
        id="second-is-scalar",
    ),
    pytest.param(
        [tensor([1.0]), tensor([1.0, 2.0])],
        False,
        "Batching Run() input tensors must have equal 0th-dimension size",
        id="unequal",
    ),
    pytest.param(
        [tensor(np.zeros((1,) * 7))], True, "Only tensors with rank from 1 to 6 can be padded.", id="seven-dimensions"
    ),
]


@pytest.mark.parametrize(("inputs", "padding", "text"), ROWS_REFUSED)
def test_rows_refused(inputs: Sequence[Tensor], padding: bool, text: str) -> None:
    """Inputs without a common number of rows cannot be batched."""
    with pytest.raises(ServingError) as caught:
        merging.rows_of(inputs, padding=padding)
    assert (caught.value.code, caught.value.message) == (Code.INVALID_ARGUMENT, text)


@pytest.mark.parametrize(
    ("inputs", "padding", "rows"),
    [
        pytest.param([tensor([1.0, 2.0]), tensor([[1.0], [2.0]])], True, 2, id="two-inputs"),
        pytest.param([tensor([])], True, 0, id="no-rows"),
        pytest.param([tensor(np.zeros((3,) + (1,) * 6))], False, 3, id="seven-dimensions-without-padding"),
    ],
)
def test_rows(inputs: Sequence[Tensor], padding: bool, rows: int) -> None:
    """The size of the 0th dimension of all inputs."""
    assert merging.rows_of(inputs, padding=padding) == rows


ALIKE = [
    pytest.param([tensor([1.0]), tensor([2.0, 3.0])], False, [[0, 1]], id="rows-differ"),
    pytest.param([tensor([[1.0]]), tensor([[1.0, 2.0]]), tensor([[3.0]])], False, [[0, 2], [1]], id="shapes-differ"),
    pytest.param([tensor([[1.0]]), tensor([[1.0, 2.0]])], True, [[0, 1]], id="shapes-differ-padding"),
    pytest.param([tensor([[1.0]]), tensor([1.0])], True, [[0], [1]], id="ranks-differ-padding"),
    pytest.param([tensor([1.0]), tensor([1], DataType.INT32)], True, [[0], [1]], id="dtypes-differ"),
]


@pytest.mark.parametrize(("batch", "padding", "expected"), ALIKE)
def test_alike(batch: Sequence[Tensor], padding: bool, expected: list[list[int]]) -> None:
    """Callers are grouped so that each group can share a run, in order of arrival."""
    assert merging.alike([[each] for each in batch], padding=padding) == expected


MERGED = [
    pytest.param([[1.0], [2.0, 3.0]], 3, False, [1.0, 2.0, 3.0], id="in-order"),
    pytest.param([[1.0], [2.0, 3.0]], 5, False, [1.0, 2.0, 3.0, 2.0, 2.0], id="first-row-of-the-last-repeated"),
    pytest.param([[1.0], []], 3, False, [1.0, 1.0, 1.0], id="last-has-no-row"),
    pytest.param(
        [[[1.0, 2.0, 3.0]], [[4.0], [5.0]]],
        3,
        True,
        [[1.0, 2.0, 3.0], [4.0, 4.0, 4.0], [5.0, 4.0, 4.0]],
        id="padded-with-own-first-element",
    ),
    pytest.param(
        [[[[1.0], [2.0]]], [[[3.0, 4.0]]]],
        2,
        True,
        [[[1.0, 1.0], [2.0, 1.0]], [[3.0, 4.0], [3.0, 3.0]]],
        id="padded-in-every-dimension",
    ),
    pytest.param([[[1.0, 2.0]], [[3.0]]], 3, True, [[1.0, 2.0], [3.0, 3.0], [3.0, 3.0]], id="padded-and-repeated"),
    pytest.param([[[1.0, 2.0]], np.zeros((0, 1))], 1, True, [[1.0, 2.0]], id="no-rows-padded"),
    pytest.param([np.zeros((1, 0, 2)), np.zeros((1, 0, 3))], 2, True, [[], []], id="all-empty-padded"),
]


@pytest.mark.parametrize(("batch", "total", "padding", "expected"), MERGED)
def test_merge(batch: Sequence[Any], total: int, padding: bool, expected: list[Any]) -> None:
    """One caller's rows come after another's; missing rows and elements are filled in."""
    merged = merging.merge([[tensor(each)] for each in batch], total, padding=padding)
    assert values(merged) == [expected]


def test_merge_of_strings() -> None:
    """Strings are merged, padded and repeated like numbers."""
    batch = [[tensor([[b"a", b"bc"]], DataType.STRING)], [tensor([[b"d"]], DataType.STRING)]]
    (merged,) = merging.merge(batch, 3, padding=True)
    assert (merged.dtype, merged.array.tolist()) == (DataType.STRING, [[b"a", b"bc"], [b"d", b"d"], [b"d", b"d"]])


def test_merge_of_several_inputs() -> None:
    """Each input is merged with the same input of the others."""
    batch = [[tensor([1.0]), tensor([[2.0]])], [tensor([3.0]), tensor([[4.0]])]]
    assert values(merging.merge(batch, 2, padding=False)) == [[1.0, 3.0], [[2.0], [4.0]]]


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        pytest.param([[[1.0]], [[1.0, 2.0]]], [], id="none"),
        pytest.param([np.zeros((1, 0)), [[1.0]]], [0], id="empty-among-others"),
        pytest.param([np.zeros((1, 0)), np.zeros((2, 0))], [], id="all-empty"),
        pytest.param([[[1.0]], np.zeros((0, 5))], [], id="no-rows"),
    ],
)
def test_unpaddable(batch: Sequence[Any], expected: list[int]) -> None:
    """A tensor without elements has no first element to be padded with."""
    assert merging.unpaddable([[tensor(each)] for each in batch]) == expected


def test_split() -> None:
    """Every caller gets its own rows of every output; what was filled in goes to nobody."""
    outputs = [tensor([1.0, 2.0, 3.0, 4.0]), tensor([[5.0], [6.0], [7.0], [8.0]])]
    parts = merging.split(outputs, [1, 0, 2], 4)
    assert [values(part) for part in parts] == [[[1.0], [[5.0]]], [[], []], [[2.0, 3.0], [[6.0], [7.0]]]]


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        pytest.param([tensor([1.0, 2.0]), tensor(3.0)], "Batched output tensor has 0 dimensions", id="scalar"),
        pytest.param(
            [tensor([1.0])],
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
            "tensors",
            id="too-short",
        ),
    ],
)
def test_split_refuses(outputs: Sequence[Tensor], text: str) -> None:
    """Outputs that do not have a row for each input row cannot be given back."""
    with pytest.raises(ServingError) as caught:
        merging.split(outputs, [1, 1], 2)
    assert (caught.value.code, caught.value.message) == (Code.FAILED_PRECONDITION, text)


@given(st.lists(st.lists(st.integers(0, 99), max_size=4), min_size=1, max_size=5), st.integers(0, 5))
def test_split_undoes_merge(batch: list[list[int]], more: int) -> None:
    """What was merged, with or without rows to fill it up, comes apart as it was."""
    rows = sum(map(len, batch))
    total = rows + more if rows else 0
    merged = merging.merge([[tensor(each)] for each in batch], total, padding=False)
    parts = merging.split(merged, [len(each) for each in batch], total)
    assert [values(part) for part in parts] == [[each] for each in batch]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_join_undoes_split(sizes: list[int]) -> None:
    """The parts of a split request make up the whole again."""
    outputs = [tensor(range(sum(sizes))), tensor(np.ones((sum(sizes), 2)))]
    assert values(merging.join(merging.split(outputs, sizes, sum(sizes)))) == values(outputs)
