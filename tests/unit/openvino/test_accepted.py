"""What a request may be before OpenVINO is given it: everything else is TensorFlow's."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.core.tensor import STORAGE, DataType, Tensor
from serving.openvino.accepted import Accepted, AcceptedInput
from tests.support.models import tensor


def zeros(*shape: int, dtype: DataType = DataType.FLOAT) -> Tensor:
    return Tensor(dtype, np.zeros(shape, STORAGE[dtype]))


ROWS_OF_THREE = AcceptedInput(dtype=DataType.FLOAT, sizes=((1, None), (3, 3), (2, 5)))


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        pytest.param(zeros(1, 3, 2), True, id="the least"),
        pytest.param(zeros(1000, 3, 5), True, id="the most, of any number of rows"),
        pytest.param(zeros(0, 3, 2), False, id="no rows"),
        pytest.param(zeros(1, 4, 2), False, id="another fixed size"),
        pytest.param(zeros(1, 3, 1), False, id="below what was tried"),
        pytest.param(zeros(1, 3, 6), False, id="beyond what was tried"),
        pytest.param(zeros(1, 3, 0), False, id="nothing in it"),
        pytest.param(zeros(1, 3), False, id="a rank too few"),
        pytest.param(zeros(1, 3, 2, 1), False, id="a rank too many"),
        pytest.param(zeros(), False, id="a scalar"),
        pytest.param(zeros(1, 3, 2, dtype=DataType.DOUBLE), False, id="another type"),
        pytest.param(zeros(1, 3, 2, dtype=DataType.INT32), False, id="integers of the same width"),
    ],
)
def test_types_ranks_and_sizes(given: Tensor, fits: bool) -> None:
    """Only what has the signature's type and rank, and sizes that were compared."""
    assert ROWS_OF_THREE.fits(given) is fits


def test_a_type_is_not_its_storage() -> None:
    """bfloat16 has the storage of 16-bit integers, and is none."""
    integers = AcceptedInput(dtype=DataType.UINT16, sizes=((1, None),))
    assert integers.fits(zeros(2, dtype=DataType.UINT16))
    assert not integers.fits(zeros(2, dtype=DataType.BFLOAT16))


INDEX = AcceptedInput(dtype=DataType.INT32, sizes=((1, None),), bounds=(0, 10))
BOUNDED = AcceptedInput(dtype=DataType.FLOAT, sizes=((1, None),), magnitude=256.0)
ANYTHING = AcceptedInput(dtype=DataType.FLOAT, sizes=((1, None),))
WIDE = AcceptedInput(dtype=DataType.INT64, sizes=((1, None),), bounds=(-(2**24), 2**24 + 1))
BYTES = AcceptedInput(dtype=DataType.UINT8, sizes=((1, None),), magnitude=256.0)
FLAGS = AcceptedInput(dtype=DataType.BOOL, sizes=((1, None),), magnitude=1.0)


@pytest.mark.parametrize(
    ("accepted", "values", "has"),
    [
        pytest.param(INDEX, [0, 9], True, id="all indices"),
        pytest.param(INDEX, [0, 10], False, id="beyond the last index"),
        pytest.param(INDEX, [-1, 9], False, id="before the first index"),
        pytest.param(INDEX, [-(2**31), 2**31 - 1], False, id="the ends of 32 bits"),
        pytest.param(WIDE, [2**24, -(2**24)], True, id="integers that floats have"),
        pytest.param(WIDE, [2**24 + 1], False, id="the first that they lack"),
        pytest.param(WIDE, [2**63 - 1, -(2**63)], False, id="the ends of 64 bits"),
        pytest.param(BOUNDED, [256.0, -256.0], True, id="as large as agreed"),
        pytest.param(BOUNDED, [0.0, 256.1], False, id="larger"),
        pytest.param(BOUNDED, [0.0, -256.1], False, id="larger below zero"),
        pytest.param(BOUNDED, [0.0, math.nan], False, id="NaN"),
        pytest.param(BOUNDED, [math.nan, 0.0], False, id="NaN first"),
        pytest.param(BOUNDED, [math.inf], False, id="infinity"),
        pytest.param(BOUNDED, [-math.inf], False, id="minus infinity"),
        pytest.param(ANYTHING, [3.4e38, -3.4e38], True, id="all that is finite"),
        pytest.param(ANYTHING, [math.nan, 0.0], False, id="NaN never"),
        pytest.param(ANYTHING, [math.inf], False, id="infinity never"),
        pytest.param(BYTES, [0, 255], True, id="bytes"),
        pytest.param(FLAGS, [True, False], True, id="flags"),
    ],
)
def test_values(accepted: AcceptedInput, values: list[Any], has: bool) -> None:
    """Indices within their bounds, numbers no larger than those on which both engines agreed."""
    given = tensor(accepted.dtype, values)
    assert accepted.fits(given)
    assert accepted.has_values(given) is has


def test_nothing_is_not_accepted() -> None:
    """An input of no elements is TensorFlow's, also if its sizes allow that."""
    assert not replace(INDEX, sizes=((0, None),)).fits(zeros(0, dtype=DataType.INT32))


@given(st.lists(st.floats(width=32), min_size=1, max_size=20), st.sampled_from([0.0, 1.0, 16.0, 1e30]))
def test_magnitudes_hold_for_every_value(values: list[float], magnitude: float) -> None:
    """One value that is too large or is none is enough, wherever it is."""
    accepted = replace(BOUNDED, magnitude=magnitude)
    expected = all(abs(value) <= float(np.float32(magnitude)) for value in np.array(values, np.float32).tolist())
    assert accepted.has_values(tensor(DataType.FLOAT, values)) is expected


PAIR = Accepted(inputs=(ANYTHING, ANYTHING), same_sizes=(((0, 0), (1, 0)),))


@pytest.mark.parametrize(("one", "other", "fits"), [(2, 2, True), (2, 3, False), (1, 2, False)])
def test_sizes_that_must_be_equal(one: int, other: int, fits: bool) -> None:
    """Rows of two inputs that are added are as many, for OpenVINO would spread or read on."""
    assert PAIR.fits([zeros(one), zeros(other)]) is fits
    assert replace(PAIR, same_sizes=()).fits([zeros(one), zeros(other)])


def test_each_input_has_to_fit() -> None:
    """One that does not is enough, for sizes and for values."""
    accepted = Accepted(inputs=(ANYTHING, INDEX))
    assert accepted.fits([zeros(2), zeros(2, dtype=DataType.INT32)])
    assert not accepted.fits([zeros(2), zeros(2)])
    assert not accepted.has_values([zeros(2), tensor(DataType.INT32, [10])])


def test_shapes_that_were_tried() -> None:
    """A model that refused shapes in between gets only those that it took."""
    accepted = replace(PAIR, same_sizes=(), shapes=frozenset({((2,), (2,)), ((4,), (1,))}))
    taken = [(a, b) for a in range(1, 6) for b in range(1, 6) if accepted.fits([zeros(a), zeros(b)])]
    assert taken == [(2, 2), (4, 1)]


def test_another_number_of_inputs_is_an_error() -> None:
    """It would be a mistake in the server, not of a client."""
    with pytest.raises(ValueError, match="zip"):
        PAIR.fits([zeros(1)])
