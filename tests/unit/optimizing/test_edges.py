"""Inputs at the edges of their types, and what is said of them."""

from math import inf, isinf
from typing import Any

import numpy as np
import pytest

from serving.core.tensor import STORAGE, DataType, Tensor
from serving.optimizing.edges import Edge, edges
from serving.optimizing.examples import INTEGERS

SHAPE = (2, 3)


def example(*dtypes: DataType) -> list[Tensor]:
    return [Tensor(dtype, np.ones(SHAPE, STORAGE[dtype])) for dtype in dtypes]


def numbers(tensor: Tensor) -> Any:
    if tensor.dtype is DataType.BFLOAT16:
        return (tensor.array.astype(np.uint32) << 16).view(np.float32)
    return tensor.array


def by_label(made: list[Edge]) -> dict[str, Edge]:
    return {edge.label: edge for edge in made}


FLOATS = [DataType.FLOAT, DataType.DOUBLE, DataType.HALF, DataType.BFLOAT16]


@pytest.mark.parametrize("dtype", [*FLOATS, *sorted(INTEGERS), DataType.BOOL])
def test_types_shapes_and_magnitudes(dtype: DataType) -> None:
    """An edge is like the example, no larger than it says, and each is another."""
    made = edges(example(dtype))
    assert len(by_label(made)) == len(made)
    for edge in made:
        (tensor,) = edge.tensors
        assert (tensor.dtype, tensor.array.dtype, tensor.array.shape) == (dtype, STORAGE[dtype], SHAPE)
        with np.errstate(invalid="ignore"):
            finite = numbers(tensor)[np.isfinite(numbers(tensor).astype(np.float64))]
        assert all(abs(float(value)) <= edge.magnitude * 1.01 for value in finite.ravel())
        assert isinf(edge.magnitude) is (len(finite) < tensor.array.size)


@pytest.mark.parametrize("dtype", FLOATS)
def test_floats(dtype: DataType) -> None:
    """The ends of the type are there, and what is no number, alone and among others."""
    made = {label: numbers(edge.tensors[0]) for label, edge in by_label(edges(example(dtype))).items()}
    largest = made["floats: largest"]
    with np.errstate(over="ignore"):
        assert np.isfinite(largest).all()
        assert np.isinf(largest * largest.dtype.type(1.01)).all()
    assert (made["floats: denormal"] > 0).all()
    assert np.signbit(made["floats: minus zero"]).all()
    assert np.isnan(made["floats: NaN"]).all()
    for label in ("NaN", "infinity", "minus infinity"):
        assert 0 < np.isfinite(made[f"floats: {label} among others"]).sum() < 6


def test_decades() -> None:
    """Each is a step on the way to the largest magnitude at which two engines agree; half precision has fewer."""
    found = [edge.magnitude for edge in edges(example(DataType.FLOAT)) if "up to" in edge.label]
    assert found == [1, 16, 256, 1e4, 1e6, 1e30]
    assert [edge.magnitude for edge in edges(example(DataType.HALF)) if "up to" in edge.label] == [1, 16, 256, 1e4]


@pytest.mark.parametrize("dtype", sorted(INTEGERS))
def test_integers(dtype: DataType) -> None:
    """The ends of the type are there, minus one where there is one, and where narrower types end."""
    made = by_label(edges(example(dtype)))
    limits = np.iinfo(STORAGE[dtype])
    assert (made["integers: largest"].tensors[0].array == limits.max).all()
    assert (made["integers: least"].tensors[0].array == limits.min).all()
    assert ("integers: minus one" in made) is (limits.min < 0)
    assert ("integers: 2147483648" in made) is (limits.max > 2**31)
    assert "integers: zero" in made


def test_several_inputs() -> None:
    """All of a kind at once, then each alone, while the others stay; strings always do."""
    given = [
        *example(DataType.FLOAT, DataType.DOUBLE, DataType.INT32),
        Tensor(DataType.STRING, np.array([b"a"], object)),
    ]
    made = by_label(edges(given))
    together, alone = made["floats: NaN"], made["floats of input 1: NaN"]
    assert [np.isnan(tensor.array).all() for tensor in together.tensors[:2]] == [True, True]
    assert alone.tensors[0] is given[0]
    assert np.isnan(alone.tensors[1].array).all()
    assert all(edge.tensors[3] is given[3] for edge in made.values())
    assert "integers of input 2: zero" not in made


def test_inputs_of_different_types_share_labels() -> None:
    """What only one of two types has is not tried for both at once, and the larger magnitude counts."""
    made = by_label(edges(example(DataType.FLOAT, DataType.HALF)))
    assert "floats: up to 1e+30" not in made
    assert made["floats: largest"].magnitude == float(np.finfo(np.float32).max)


def test_same_seed_same_edges() -> None:
    """They do not change from one load to the next."""
    first, again, other = (
        edges(example(DataType.FLOAT)),
        edges(example(DataType.FLOAT)),
        edges(example(DataType.FLOAT), 1),
    )

    def values(made: list[Edge]) -> bytes:
        return b"".join(edge.tensors[0].array.tobytes() for edge in made)

    assert values(first) == values(again) != values(other)


@pytest.mark.parametrize("given", [[], [Tensor(DataType.FLOAT, np.ones((0, 3), np.float32))]])
def test_nothing_to_put_anything_in(given: list[Tensor]) -> None:
    """Without elements there are no edges."""
    assert edges(given) == []


def test_infinite_magnitudes() -> None:
    """They are those of what is not finite."""
    made = edges(example(DataType.FLOAT))
    assert {edge.label for edge in made if edge.magnitude == inf} == {
        f"floats: {word}{rest}" for word in ("NaN", "infinity", "minus infinity") for rest in ("", " among others")
    }
