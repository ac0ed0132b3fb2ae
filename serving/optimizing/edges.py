"""Inputs at which two ways to compute the same may part: zero, large, not finite, the ends of integers. Pure.

Whoever compares learns from ``magnitude`` up to which size of numbers two engines agree.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.core.tensor import DataType, Tensor
from serving.optimizing.comparing import Example
from serving.optimizing.examples import INTEGERS, stored

_DECADES = (1.0, 16.0, 256.0, 1e4, 1e6, 1e30)
_LARGEST = {
    DataType.FLOAT: float(np.finfo(np.float32).max),
    DataType.DOUBLE: float(np.finfo(np.float64).max),
    DataType.HALF: float(np.finfo(np.float16).max),
    DataType.BFLOAT16: float(np.array(0x7F7F0000, np.uint32).view(np.float32)),
}
_SMALLEST = {
    DataType.FLOAT: float(np.finfo(np.float32).smallest_subnormal),
    DataType.DOUBLE: float(np.finfo(np.float64).smallest_subnormal),
    DataType.HALF: float(np.finfo(np.float16).smallest_subnormal),
    DataType.BFLOAT16: float(np.array(0x00010000, np.uint32).view(np.float32)),
}
_SPECIAL = (("NaN", np.nan), ("infinity", np.inf), ("minus infinity", -np.inf))
_ENDS_OF_OTHERS = (2**7, 2**8, 2**15, 2**16, 2**24, 2**31, 2**32, 2**53)
"""Where narrower integers end, and where floats cease to have all of them."""

Values = tuple[str, float, NDArray[Any]]
"""A label, a magnitude and an array."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One tensor for each feed; ``label`` says in words what was put there.

    No number of that is larger than ``magnitude``, which is infinite if any is not finite.
    """

    tensors: Example
    magnitude: float
    label: str


def edges(example: Sequence[Tensor], seed: int = 0) -> list[Edge]:
    """Variants of an ordinary example, with the same data types and shapes, the same ones for the same seed.

    All feeds of floats are at the edge at once, then all integers, then all booleans; where there are several, each is
    also alone. Strings stay.
    """
    made: list[Edge] = []
    for kind, name in ((_LARGEST.keys(), "floats"), (INTEGERS, "integers"), ({DataType.BOOL}, "booleans")):
        places = [index for index, tensor in enumerate(example) if tensor.dtype in kind and tensor.array.size]
        made += _at(example, places, f"{name}: ", seed)
        if len(places) > 1:
            for index in places:
                made += _at(example, [index], f"{name} of input {index}: ", seed)
    return made


def _at(example: Sequence[Tensor], places: Sequence[int], where: str, seed: int) -> Iterator[Edge]:
    """The variants with edges at these places; where data types differ, those that all of them have."""
    variants = [
        {label: (magnitude, array) for label, magnitude, array in _values(example[index], seed + index)}
        for index in places
    ]
    for label in variants[0] if variants else ():
        if all(label in each for each in variants):
            tensors = list(example)
            for index, variant in zip(places, variants, strict=True):
                tensors[index] = Tensor(example[index].dtype, variant[label][1])
            magnitude = max(variant[label][0] for variant in variants)
            yield Edge(tensors=tensors, magnitude=magnitude, label=where + label)


def _values(tensor: Tensor, seed: int) -> Iterator[Values]:
    random = np.random.default_rng(seed)
    if tensor.dtype is DataType.BOOL:
        yield "false", 0.0, np.zeros_like(tensor.array)
        yield "true", 1.0, np.ones_like(tensor.array)
    elif tensor.dtype in _LARGEST:
        for label, magnitude, array in _floats(tensor, random):
            yield label, magnitude, stored(tensor.dtype, array)
    else:
        yield from _integers(tensor, random)


def _floats(tensor: Tensor, random: np.random.Generator) -> Iterator[Values]:
    shape, largest, smallest = tensor.array.shape, _LARGEST[tensor.dtype], _SMALLEST[tensor.dtype]
    ordinary = random.random(shape)
    yield "zero", 0.0, np.zeros(shape)
    yield "minus zero", 0.0, np.full(shape, -0.0)
    yield "denormal", smallest, np.full(shape, smallest)
    yield "negative", 1.0, -ordinary
    yield "minus one", 1.0, np.full(shape, -1.0)
    yield "halves", 8.5, random.integers(-8, 8, shape) + 0.5
    yield "powers of ten", 1e4, 10.0 ** random.integers(-4, 5, shape) * random.choice((-1.0, 1.0), shape)
    for decade in _DECADES:
        if decade < largest:
            yield f"up to {decade:g}", decade, (2 * random.random(shape) - 1) * decade
    yield "largest", largest, np.full(shape, largest)
    yield "largest and least", largest, random.choice((-largest, largest), shape)
    for label, value in _SPECIAL:
        yield label, inf, np.full(shape, value)
        yield f"{label} among others", inf, _among(ordinary, value, random)


def _among(ordinary: NDArray[Any], value: float, random: np.random.Generator) -> NDArray[Any]:
    """One number of each eight, and one in any case."""
    mixed = np.where(random.random(ordinary.shape) < 1 / 8, value, ordinary)
    mixed.flat[int(random.integers(mixed.size))] = value
    return mixed


def _integers(tensor: Tensor, random: np.random.Generator) -> Iterator[Values]:
    shape, dtype = tensor.array.shape, tensor.array.dtype
    least, largest = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    for label, value in (("zero", 0), ("one", 1), ("minus one", -1), ("least", least), ("largest", largest)):
        if least <= value:
            yield label, float(abs(value)), np.full(shape, value, dtype)
    for end in _ENDS_OF_OTHERS:
        for value in (end - 1, end, end + 1, -end, -end - 1):
            if least < value < largest:
                yield f"{value}", float(abs(value)), np.full(shape, value, dtype)
    for decade in _DECADES[1:]:
        if decade < largest:
            low = -int(decade) if least < 0 else 0
            yield f"up to {decade:g}", decade, random.integers(max(low, least), int(decade) + 1, shape, dtype)
    powers = [10**power for power in range(19) if 10**power <= largest]
    yield "powers of ten", float(powers[-1]), random.choice(np.array(powers, dtype), shape)
