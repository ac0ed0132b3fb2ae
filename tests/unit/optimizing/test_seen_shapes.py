"""Which shapes are looked at in what a step is tried with, and what is made of them."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from serving.core.tensor import DataType, Tensor
from serving.openvino.eligibility import TensorSpec
from serving.optimizing.candidates import Step
from serving.optimizing.seen_shapes import seen_shapes
from tests.unit.openvino.graphs import graph

STEP = Step(("x:0",), ("y:0",))
SPECS = {
    "x:0": TensorSpec(DataType.STRING, (-1,)),
    "decoded:0": TensorSpec(DataType.FLOAT, None),
    "decoded:1": TensorSpec(DataType.STRING, None),
    "rows:0": TensorSpec(DataType.FLOAT, (-1, 4)),
    "product:0": TensorSpec(DataType.FLOAT, None),
    "y:0": TensorSpec(DataType.FLOAT, None),
}


def decoded() -> Any:
    """An operation that gives all sorts, a tensor of which only the rows are open, weights, and what comes behind."""
    return graph(
        ("x", "Placeholder", []),
        ("decoded", "Decode", ["x"]),
        ("rows", "Parse", ["x"]),
        ("product", "MatMul", ["decoded", "rows"]),
        ("y", "Relu", ["product"]),
    )


class Shapes:
    """A run that gives zeros of the shape that an example has as its numbers."""

    inline = False

    def __init__(self, fetches: Sequence[str]) -> None:
        self.fetches = list(fetches)

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        return False

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        shape = tuple(int(size) for size in tensors[0].array)
        return [Tensor(DataType.FLOAT, np.zeros(shape, np.float32)) for _ in self.fetches]

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> Future[list[Tensor]]:
        raise NotImplementedError


def example(*sizes: int) -> list[Tensor]:
    return [Tensor(DataType.INT64, np.array(sizes, np.int64))]


@pytest.mark.parametrize(
    ("examples", "expected"),
    [
        pytest.param([example(1, 4, 3), example(2, 4, 3)], {"decoded:0": (-1, 4, 3)}, id="rows-differ"),
        pytest.param([example(1, 4, 3), example(2, 5, 3)], {"decoded:0": (-1, -1, 3)}, id="sizes-differ"),
        pytest.param([example(1, 4), example(1, 4, 3)], {}, id="ranks-differ"),
        pytest.param([example(2, 2)], {"decoded:0": (2, 2)}, id="one"),
    ],
)
def test_shapes(examples: list[list[Tensor]], expected: dict[str, tuple[int, ...]]) -> None:
    """Only of what a head may give and the graph does not say, and only what all examples had."""
    assert seen_shapes(decoded(), SPECS, STEP, Shapes, examples) == expected


def test_nothing_unknown_runs_nothing() -> None:
    """A graph that says all of its shapes is not run again."""

    def never(fetches: Sequence[str]) -> Shapes:
        raise AssertionError(fetches)

    known = {**SPECS, "decoded:0": TensorSpec(DataType.FLOAT, (-1, 4))}
    assert seen_shapes(decoded(), known, STEP, never, [example(1)]) == {}
