"""One small graph with the inputs that are meant to make two engines disagree on it; nothing here needs TensorFlow."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Spec = tuple[str, tuple[int | None, ...] | None]
"""A TensorFlow type's name, and a shape with None for an open size."""

Inputs = Mapping[str, Array]


class Outcome(Enum):
    """Who computes a graph: TensorFlow first and OpenVINO then, OpenVINO alone, or TensorFlow alone."""

    BODY = "OpenVINO"
    HEAD = "TensorFlow, then OpenVINO"
    REFUSED = "TensorFlow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """``function`` takes TensorFlow's module and a tensor for each of ``signature``, and returns one or a list.

    ``inputs``: what is asked of both engines, among it what must be TensorFlow's. ``tolerance``: of the largest number
    of an output. ``variable``: what a variable is made of that ``function`` takes as well.
    """

    name: str
    outcome: Outcome
    signature: Mapping[str, Spec]
    function: Callable[..., Any]
    inputs: Sequence[Inputs]
    tolerance: float = 1e-4
    variable: Array | None = None


def _generator() -> np.random.Generator:
    return np.random.default_rng(13)


def weights(*shape: int) -> Array:
    """Fixed weights that spread what they are multiplied with."""
    return _generator().standard_normal(shape).astype(np.float32)


def floats(*shape: int) -> list[Array]:
    """Arrays of one shape: zeros of both signs, edges of rounding, small, large and equal numbers, noise."""
    size = int(np.prod(shape))
    edges = [
        0.0,
        -0.0,
        0.5,
        1.5,
        2.5,
        -0.5,
        -1.5,
        1.0,
        -1.0,
        3.0,
        6.0,
        -6.0,
        1e-3,
        1e-7,
        1e-30,
        -1e-30,
        1e-40,
        0.49999997,
    ]
    noise = _generator().standard_normal(size)
    flat = [
        np.zeros(size),
        np.full(size, 0.1),
        np.full(size, -3.0),
        np.resize(edges, size),
        np.resize(edges[::-1], size),
        noise,
        noise * 10,
        noise * 1000,
        np.resize([1e4, -1e4, 0.1, 1e-4], size),
        noise * 1e-5,
        noise * 1e-20,
    ]
    return [array.astype(np.float32).reshape(shape) for array in flat]


def rows(*inner: int) -> Sequence[Inputs]:
    """``floats`` for one input ``x``, of 3 rows, and noise of 1, 2, 5 and 8 rows."""
    return [{"x": array} for array in floats(3, *inner)] + [{"x": weights(n, *inner)} for n in (1, 2, 5, 8)]
